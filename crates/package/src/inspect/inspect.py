# Says what a model takes and gives, and how it runs. Runs with the Python of the model's environment, in the model's folder:
#
#     python -c <this text> RESULT RUN TRAIN WANTED
#
# RESULT is the file that the answer is written to: a model may write whatever it likes to its outputs while it is imported.
# RUN and TRAIN are references such as `run.py:Runner`; TRAIN may be empty. WANTED is `schema`, or `syntax` when the schema is
# known: then the model is imported only if its text does not say how it runs.
#
# Written for Python 3.8 and newer, and for every Cog from 0.17 on; older ones make their schema themselves.
import ast
import importlib.util
import inspect
import json
import os
import sys
import tempfile
import tokenize
import traceback

METHODS = ("run", "predict")


class NotFound(Exception):
    """The file has no such class or function."""


# --- What the text of a model says ---


def parsed(path):
    with tokenize.open(path) as file:
        return ast.parse(file.read(), path)


def target_function(tree, name):
    """The function that a reference leads to, or None when it is not in this text."""
    known = {node.name: node for node in tree.body if hasattr(node, "name")}
    return method_of(known.get(name), known, set())


def method_of(node, known, seen):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node
    if not isinstance(node, ast.ClassDef) or node.name in seen:
        return None
    own = {item.name: item for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}
    for method in METHODS:
        if method in own:
            return own[method]
    bases = [known.get(base.id) for base in node.bases if isinstance(base, ast.Name)]
    inherited = (method_of(base, known, seen | {node.name}) for base in bases)
    return next((method for method in inherited if method is not None), None)


def written_concurrency(function):
    """The number in `@concurrent(max=N)`; None without it. Raises LookupError when it is not a plain number."""
    for decorator in function.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if getattr(call, "attr", getattr(call, "id", None)) != "concurrent":
            continue
        for keyword in getattr(decorator, "keywords", []):
            if keyword.arg == "max":
                if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, int):
                    return keyword.value.value
                raise LookupError
    return None


def how_it_runs(reference):
    """From the text if it says so, else from the module."""
    path, name = reference.rsplit(":", 1)
    function = target_function(parsed(path), name)
    try:
        if function is None:
            raise LookupError
        return {
            "is_async": isinstance(function, ast.AsyncFunctionDef),
            "concurrency": written_concurrency(function),
        }
    except LookupError:
        return how_the_module_runs(reference)


def how_the_module_runs(reference):
    target = load(reference)
    function = own_method(target) if inspect.isclass(target) else target
    plain = inspect.unwrap(function)
    return {
        "is_async": inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain),
        "concurrency": getattr(function, "__cog_concurrent_max__", None),
    }


def own_method(target):
    """The method that the model's author wrote: Cog's own classes have them all."""
    for method in METHODS:
        owner = next((base for base in target.__mro__ if method in vars(base)), None)
        if owner is not None and owner.__module__.split(".")[0] != "cog":
            return vars(owner)[method]
    return target


# --- What an imported model says ---


def load(reference):
    """The class or function, from its file: files in subfolders are no modules. Known afterwards by its file's name."""
    path, name = reference.rsplit(":", 1)
    module_name = module_of(reference)
    module = sys.modules.get(module_name)
    if module is None or os.path.realpath(getattr(module, "__file__", None) or "") != os.path.realpath(path):
        spec = importlib.util.spec_from_file_location(module_name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    if not hasattr(module, name):
        there = sorted(key for key, value in vars(module).items() if defined_in(value, module_name))
        raise NotFound("%s has no %s%s" % (path, name, "; it has %s" % ", ".join(there) if there else ""))
    return getattr(module, name)


def module_of(reference):
    return os.path.basename(reference.rsplit(":", 1)[0])[: -len(".py")]


def defined_in(value, module_name):
    is_candidate = inspect.isclass(value) or inspect.isfunction(value)
    return is_candidate and getattr(value, "__module__", None) == module_name


def schema(run, train):
    if importlib.util.find_spec("cog._inspector") is None:
        return schema_of_old_cog()
    from cog import _inspector

    schemas = common_schemas()
    add(schemas, described(_inspector, run), "Input", "Output", "Prediction")
    if train:
        add(schemas, described(_inspector, train), "TrainingInput", "TrainingOutput", "Training")
    return document(schemas, bool(train), has_streaming(run))


def described(inspector, reference):
    load(reference)
    return inspector.create_predictor(module_of(reference), reference.rsplit(":", 1)[1])


def schema_of_old_cog():
    """Cog up to 0.16 prints its schema, and keeps what the model prints apart: for that it wants a real file."""
    import runpy

    stdout, sys.stdout = sys.stdout, tempfile.TemporaryFile("w+")
    try:
        runpy.run_module("cog.command.openapi_schema", run_name="__main__")
        sys.stdout.seek(0)
        return json.load(sys.stdout)
    finally:
        sys.stdout = stdout


def has_streaming(reference):
    """Whether the model is declared to stream. The decorator leaves no trace on the function."""
    path, name = reference.rsplit(":", 1)
    function = target_function(parsed(path), name)
    decorators = function.decorator_list if function is not None else []
    calls = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in decorators]
    return any(getattr(call, "attr", getattr(call, "id", None)) == "streaming" for call in calls)


# --- The document ---


def add(schemas, info, input_name, output_name, kind):
    enums = {}
    schemas[input_name] = input_schema(info, input_name, enums, schemas)
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


# --- The answer ---


def failure(error):
    """What went wrong, with the traceback of the model and without that of this script."""
    if type(error).__name__ == "CogError" and error.args and isinstance(error.args[0], list):
        return failure_in_logs("".join(error.args[0]))
    told = traceback.TracebackException.from_exception(error)
    link = told
    while link is not None:
        kept = [frame for frame in link.stack if not is_ours(frame.filename)]
        link.stack = traceback.StackSummary.from_list(kept)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "module": getattr(error, "name", None) if isinstance(error, ImportError) else None,
        "traceback": "".join(told.format()),
    }


def failure_in_logs(logs):
    """Cog up to 0.16 tells what went wrong in its own logs."""
    last = logs.strip().splitlines()[-1]
    kind, _, message = last.partition(": ")
    frames = [line for line in logs.splitlines() if line.lstrip().startswith('File "')]
    is_about_code = all(is_ours(frame.split('"')[1]) for frame in frames)
    return {"kind": kind, "message": message, "module": None, "traceback": "" if is_about_code else logs.strip()}


def is_ours(filename):
    """Whether a frame belongs to this script, to what it uses, or to Cog."""
    helpers = (ast.__file__, tokenize.__file__)
    return filename == "<string>" or filename.startswith("<frozen ") or filename in helpers or "/cog/" in filename


def main(result, run, train, wanted):
    try:
        found = how_it_runs(run)
        found["schema"] = schema(run, train) if wanted == "schema" else None
        outcome = {"found": found}
    except BaseException as error:  # A model may exit while it is imported.
        outcome = {"failed": failure(error)}
    with open(result + ".part", "w") as file:
        json.dump(outcome, file, default=str)
    os.replace(result + ".part", result)
    # Threads that the model has started do not matter any more.
    os._exit(0)


main(*sys.argv[1:])
