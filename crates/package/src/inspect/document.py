# The OpenAPI document that says what a model takes and gives, in the shape that Cog gives it. Part of the script in
# inspect.py.
import json



def add(schemas, info, accepted, input_name, output_name, kind):
    enums = {}
    schemas[input_name] = input_schema(info, input_name, enums, schemas)
    for name, types in accepted.items():
        if types is not None:
            schemas[input_name]["properties"][name]["x-cog-accept"] = types
    schemas[output_name] = info.output.json_type()
    schemas.update(enums)
    schemas[kind + "Request"] = {
        "title": kind + "Request",
        "type": "object",
        "properties": {"id": text("Id"), "input": reference_to(input_name)},
    }
    schemas[kind + "Response"] = {
        "title": kind + "Response",
        "type": "object",
        "properties": {
            "input": reference_to(input_name),
            "output": reference_to(output_name),
            "id": text("Id"),
            "version": text("Version"),
            "created_at": text("Created At", format="date-time"),
            "started_at": text("Started At", format="date-time"),
            "completed_at": text("Completed At", format="date-time"),
            "status": reference_to("Status"),
            "error": text("Error"),
            "logs": text("Logs"),
            "metrics": {"title": "Metrics", "type": "object"},
        },
    }


def input_schema(info, title, enums, taken):
    properties = {}
    required = []
    for name, field in info.inputs.items():
        properties[name] = input_property(name, field, enums, taken)
        if "default" not in properties[name] and not properties[name].get("nullable"):
            required.append(name)
    found = {"title": title, "type": "object", "properties": properties}
    if required:
        found["required"] = required
    return found


def input_property(name, field, enums, taken):
    found = {"x-order": field.order}
    if field.choices is not None:
        found["allOf"] = [reference_to(enum_component(name, field, enums, taken))]
    else:
        found["title"] = name.replace("_", " ").title()
        found.update(field.type.json_type())
    default = plain_default(field)
    if default is not None:
        found["default"] = default
    if is_nullable(field):
        found["nullable"] = True
    limits = {
        "description": field.description,
        "minimum": field.ge,
        "maximum": field.le,
        "minLength": field.min_length,
        "maxLength": field.max_length,
        "pattern": field.regex,
        "deprecated": field.deprecated or None,
    }
    found.update((key, value) for key, value in limits.items() if value is not None)
    return found


def enum_component(name, field, enums, taken):
    """A training may have an input of the same name with other choices."""
    component = {
        "title": name,
        "description": "An enumeration.",
        "enum": list(field.choices),
        "type": field.type.primitive.json_type()["type"],
    }
    while taken.get(name, component) != component:
        name += "_"
    enums[name] = component
    return name


def plain_default(field):
    """The default as JSON. A secret has none: the schema is for everybody to read."""
    default = field.default
    for attribute in ("default_factory", "default"):
        given = getattr(default, attribute, None)
        if type(default).__name__ == "Field" and type(given).__name__ != "_MISSING_TYPE":
            default = given() if attribute == "default_factory" else given
            break
    if default is None or field.type.primitive.name == "SECRET":
        return None
    try:
        encoded = field.type.json_encode(field.type.normalize(default))
        return json.loads(json.dumps(encoded, default=str))
    except (TypeError, ValueError):
        return str(default)


def is_nullable(field):
    """A secret that is not given is no secret: `Input(default=None)` means that for no other type."""
    return "OPTIONAL" in field.type.repetition.name or field.type.primitive.name == "SECRET"


def reference_to(name):
    return {"$ref": "#/components/schemas/" + name}


def text(title, **more):
    return dict({"title": title, "type": "string"}, **more)


def common_schemas():
    return {
        "Status": {
            "title": "Status",
            "description": "An enumeration.",
            "type": "string",
            "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
        },
        "HTTPValidationError": {
            "title": "HTTPValidationError",
            "type": "object",
            "properties": {
                "detail": {"title": "Detail", "type": "array", "items": reference_to("ValidationError")}
            },
        },
        "ValidationError": {
            "title": "ValidationError",
            "type": "object",
            "required": ["loc", "msg", "type"],
            "properties": {
                "loc": {
                    "title": "Location",
                    "type": "array",
                    "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
                "msg": text("Message"),
                "type": text("Error Type"),
            },
        },
    }


def document(schemas, trains, streams):
    predict = operation("Predict", "Run a single prediction on the model", "Prediction", "predict_predictions_post")
    if streams:
        predict["x-cog-streaming"] = True
    paths = {
        "/": {"get": plain_operation("Root", "root__get")},
        "/health-check": {"get": plain_operation("Healthcheck", "healthcheck_health_check_get")},
        "/predictions": {"post": predict},
    }
    if trains:
        train = operation("Train", "Run a single training on the model", "Training", "train_trainings_post")
        paths["/trainings"] = {"post": train}
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": cog_version()},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def cog_version():
    import cog

    return getattr(cog, "__version__", "0.1.0")


def plain_operation(summary, operation_id):
    return {"summary": summary, "operationId": operation_id, "responses": {"200": answer({})}}


def operation(summary, description, kind, operation_id):
    return {
        "summary": summary,
        "description": description,
        "operationId": operation_id,
        "requestBody": {"content": {"application/json": {"schema": reference_to(kind + "Request")}}},
        "responses": {
            "200": answer(reference_to(kind + "Response")),
            "422": dict(answer(reference_to("HTTPValidationError")), description="Validation Error"),
        },
    }


def answer(schema):
    return {"description": "Successful Response", "content": {"application/json": {"schema": schema}}}
