# Says what a model takes and gives, and how it runs. Runs with the Python of the model's environment, in the
# model's folder:
#
#     python -c <this text> RESULT RUN TRAIN WANTED
#
# RESULT is the file that the answer is written to: a model may write whatever it likes to its outputs while it is
# imported. RUN and TRAIN are references such as `run.py:Runner`; TRAIN may be empty. WANTED is `schema`, or
# `syntax` when the schema is known: then the model is imported only if its text does not say how it runs.
#
# The text is document.py and then this file. Written for Python 3.8 and newer, and for every Cog from 0.17 on;
# older ones make their schema themselves.
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
    """From the text if it says so, else from the module, whose errors must be told as they are and not as caused by this."""
    return how_the_text_runs(reference) or how_the_module_runs(reference)


def how_the_text_runs(reference):
    path, name = reference.rsplit(":", 1)
    function = target_function(parsed(path), name)
    try:
        return function and {
            "is_async": isinstance(function, ast.AsyncFunctionDef),
            "concurrency": written_concurrency(function),
        }
    except LookupError:
        return None


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
    add(schemas, *described(_inspector, run), "Input", "Output", "Prediction")
    if train:
        add(schemas, *described(_inspector, train), "TrainingInput", "TrainingOutput", "Training")
    return document(schemas, bool(train), has_streaming(run))


def described(inspector, reference):
    """What Cog knows about a class or function, and which files its inputs accept, which Cog leaves out of that."""
    target = load(reference)
    keep_urls()
    info = inspector.create_predictor(module_of(reference), reference.rsplit(":", 1)[1])
    function = own_method(target) if inspect.isclass(target) else target
    parameters = inspect.signature(function).parameters.values()
    accepted = {parameter.name: getattr(parameter.default, "accept", None) for parameter in parameters}
    return info, accepted


def keep_urls():
    """A default that is a URL is what the schema shows. Cog would open it."""
    from cog import File, Path

    for kind in (File, Path):
        kind.validate = classmethod(lambda cls, value: value)


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
