"""What Cogwire puts between Cog's worker and a model.

The worker loads this file in place of the model's. It loads the model itself, and repairs on the way what the worker
loses: tracebacks in the logs, the last lines of a setup that fails, a last line without a line end (which would begin
the logs of the next prediction), lines that several predictions write at once, what C libraries have buffered, items
of asynchronous generators (which the worker keeps until the end), and files that a model goes on to change.

It speaks to Cogwire in marks: lines of the logs that begin with a secret. Nothing else in the logs is changed.
What comes before this text is left.py.
"""

import contextvars
import ctypes
import dataclasses
import enum
import functools
import importlib.util
import inspect
import itertools
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import traceback
import types
import warnings

from cog import Path
from cog.input import FieldInfo

_options = json.loads(os.environ.pop("COGWIRE_SHIM"))
_MARK = "\0" + _options["token"] + " "
_FILE = "cogwire-file:" + _options["token"] + ":"
# Larger items go through a file: the worker cuts lines at 4 MiB.
_LARGEST_MARK = 1 << 20
_SETTLE_ATTEMPTS = 100
_SETTLE_SECONDS = 0.1


class _Leash:
    """A connection that lasts as long as Cogwire. When it ends, so does this process and all that it started."""

    def __init__(self, path):
        self.answered = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        threading.Thread(target=self._watch, name="cogwire", daemon=True).start()

    def _watch(self):
        while self._socket.recv(1):
            self.answered.set()
        _end_all()


class _Run:
    """One call of the model. What it prints is kept apart from what other calls print at the same time."""

    def __init__(self, is_async=False):
        self.number = next(_numbers)
        self.is_async = is_async
        self.partial = {}

    def __enter__(self):
        global _sole_run
        _run.set(self)
        if _options["slots"] == 1:
            _sole_run = self
        _mark(begun={"call": self.number, "is_async": self.is_async})

    def __exit__(self, _kind, error, _traceback):
        try:
            if isinstance(error, (Exception, SystemExit)):
                _print_traceback(error)
                _mark(error=_message(error))
        finally:
            _flush()
            if _options["slots"] == 1:
                _mark_descriptors(self.number)
        if isinstance(error, SystemExit):
            # It would end the loop that the other predictions of an asynchronous model run in.
            raise RuntimeError(_message(error)) from None


class _Setup:
    """The loading of the model, or its setup."""

    def __init__(self, is_last):
        self._is_last = is_last

    def __enter__(self):
        pass

    def __exit__(self, _kind, error, _traceback):
        if error is not None:
            # After a flood, the worker would drop this.
            _settle()
            _print_traceback(error)
            _mark(error="".join(traceback.format_exception_only(type(error), error)).strip())
        if error is not None or self._is_last:
            _settle()
        if isinstance(error, SystemExit):
            raise RuntimeError(_message(error)) from None


class _Lines:
    """A text stream that passes on whole lines, so that no two calls share one."""

    def __init__(self, name, inner):
        self._name = name
        self._inner = inner
        self._lock = threading.RLock()
        self._threads = threading.local()

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        end = text.rfind("\n") + 1
        with self._lock:
            buffers = self._buffers()
            if end:
                whole = buffers.pop(self._name, "") + text[:end]
                self._inner.write(whole)
            if end < len(text):
                buffers[self._name] = buffers.get(self._name, "") + text[end:]
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        with self._lock:
            rest = self._buffers().pop(self._name, "")
            if rest:
                self._inner.write(rest)
            self._inner.flush()

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def _buffers(self):
        run = _run.get() or _sole_run
        return run.partial if run else self._threads.__dict__


_run = contextvars.ContextVar("cogwire_run", default=None)
# With one slot, threads that the model starts belong to the only call there is.
_sole_run = None
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None)


def _mark(**what):
    _mark_text(json.dumps(what))


def _mark_text(text):
    _stdout.flush()
    _stdout.write(_MARK + text + "\0\n")


def _flush():
    _stdout.flush()
    _stderr.flush()


def _mark_descriptors(number):
    """Ends what the child processes and C libraries of a call have written, which takes another way than the logs."""
    _libc.fflush(None)
    mark = _MARK.encode() + json.dumps({"call": number}).encode() + b"\0\n"
    for descriptor in (1, 2):
        try:
            os.write(descriptor, mark)
        except OSError:
            pass  # The model has closed it.


def _settle():
    """Waits until Cogwire has read everything so far.

    The worker may drop lines of a setup, so the question is repeated.
    """
    _flush()
    _leash.answered.clear()
    for _ in range(_SETTLE_ATTEMPTS):
        _mark(settle=True)
        if _leash.answered.wait(_SETTLE_SECONDS):
            return


def _message(error):
    if isinstance(error, SystemExit):
        return f"The model called sys.exit({'' if error.code is None else repr(error.code)})"
    return str(error) or type(error).__name__


def _print_traceback(error):
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_NOT_THE_MODELS):
        frames = frames.tb_next
    _stderr.write("".join(traceback.format_exception(type(error), error, frames)))


def _kept(path):
    """A copy of a file that the model produced, which may write to the same name again before the copy is read.

    After a training there is nothing left that could.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"the output {path} is a folder: return a file")
    folder = tempfile.mkdtemp(dir=_options["outputs"])
    copy = os.path.join(folder, os.path.basename(path))
    if _options["train"]:
        try:
            os.link(os.path.realpath(path), copy)
            return copy
        except OSError:
            pass  # Another file system.
    shutil.copyfile(path, copy)
    return copy


def _is_file(value):
    return isinstance(value, os.PathLike) or _named_stream(value)


def _named_stream(value):
    return hasattr(value, "read") and isinstance(getattr(value, "name", None), str) and os.path.isfile(value.name)


def _kept_file(value):
    if isinstance(value, os.PathLike):
        return _kept(value)
    if hasattr(value, "flush") and not value.closed:
        value.flush()
    return _kept(value.name)


def _holds_file(value):
    if _is_file(value):
        return True
    if isinstance(value, dict):
        return any(map(_holds_file, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_holds_file, value))
    fields = _fields(value)
    return fields is not None and any(map(_holds_file, fields.values()))


def _fields(value):
    """What an object of a data class or of pydantic holds."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names = getattr(type(value), "model_fields", None) or getattr(type(value), "__fields__", None)
    return {name: getattr(value, name) for name in names} if isinstance(names, dict) else None


def _plain(value):
    """The value as JSON has it, with a reference in the place of each file."""
    if value is None or isinstance(value, (str, int, float, bool)) and not isinstance(value, enum.Enum):
        return value
    if _is_file(value):
        return _FILE + _kept_file(value)
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    fields = _fields(value)
    if fields is not None:
        return _plain(fields)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _result(value):
    """What the worker gets. It passes on files itself, also in a list, but would put deeper ones into the text."""
    return [_item(item) for item in value] if isinstance(value, list) else _item(value)


def _item(value):
    if _is_file(value):
        return Path(_kept_file(value))
    return _plain(value) if _holds_file(value) else value


def _say_item(value):
    item = json.dumps(_plain(value), allow_nan=False)
    if len(item) <= _LARGEST_MARK:
        _mark_text('{"item":' + item + "}")
        return
    handle, path = tempfile.mkstemp(dir=_options["outputs"])
    with open(handle, "w", encoding="utf-8") as file:
        file.write(item)
    _mark(item_file=path)


def _like(model):
    """Makes a function look like the model's to everybody who inspects it."""

    def adopt(wrapper):
        functools.update_wrapper(wrapper, model)
        wrapper.__signature__ = inspect.signature(model)
        return wrapper

    return adopt


def _fill_in_defaults(model):
    """Puts the values of `Input(default=...)` in their place: the worker does so only where it sees the function."""
    while model is not None:
        defaults, keywords = getattr(model, "__defaults__", None), getattr(model, "__kwdefaults__", None)
        if defaults:
            model.__defaults__ = tuple(map(_default, defaults))
        if keywords:
            model.__kwdefaults__ = {name: _default(value) for name, value in keywords.items()}
        model = getattr(model, "__wrapped__", None)


def _default(value):
    return value.default if isinstance(value, FieldInfo) else value


def _watched(model):
    """The model's function, with its logs, errors and files looked after."""
    watched = _wrapped(model)
    _fill_in_defaults(model)
    return watched


def _wrapped(model):
    if inspect.isasyncgenfunction(model):

        @_like(model)
        async def call(*args, **kwargs):
            with _Run(is_async=True):
                async for item in model(*args, **kwargs):
                    _say_item(item)
            for nothing in ():
                yield nothing

    elif inspect.iscoroutinefunction(model):

        @_like(model)
        async def call(*args, **kwargs):
            with _Run(is_async=True):
                return _result(await model(*args, **kwargs))

    elif inspect.isgeneratorfunction(model):

        @_like(model)
        def call(*args, **kwargs):
            yield from _items(model(*args, **kwargs))

    else:

        @_like(model)
        def call(*args, **kwargs):
            with _Run():
                result = model(*args, **kwargs)
                if not isinstance(result, types.GeneratorType):
                    return _result(result)
            return _items(result)

    return call


def _items(generator):
    with _Run():
        for item in generator:
            yield _item(item)


def _watched_setup(model):
    """The setup, whose last lines arrive also when it fails."""
    if inspect.iscoroutinefunction(model):

        @_like(model)
        async def call(*args, **kwargs):
            with _Setup(is_last=True):
                return await model(*args, **kwargs)

    else:

        @_like(model)
        def call(*args, **kwargs):
            with _Setup(is_last=True):
                return model(*args, **kwargs)

    return call


def _load():
    """The model's class or function, loaded as the worker would."""
    path, name = _options["model"].split(":", 1)
    module_name = os.path.basename(path).replace(".py", "")
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def _repair(model):
    """Puts our functions in the place of the model's; whether its setup is among them."""
    for name in ("run", "predict"):
        function = inspect.getattr_static(model, name, None)
        if isinstance(function, types.FunctionType) and function.__module__ not in _COGS_OWN:
            setattr(model, name, _watched(function))
    setup = inspect.getattr_static(model, "setup", None)
    if not isinstance(setup, types.FunctionType):
        return False
    model.setup = _watched_setup(setup)
    return True


_NOT_THE_MODELS = (__file__, "<frozen importlib")
_COGS_OWN = ("cog.predictor", "cog.base_predictor")

_stdout = sys.stdout = _Lines("stdout", sys.stdout)
_stderr = sys.stderr = _Lines("stderr", sys.stderr)
_leash = _Leash(_options["leash"])
# The worker tells the model's author what only the author of this file could change.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=r".* is deprecated; use \w+(\(\))? instead$")
with _Setup(is_last=False):
    Model = _load()
    _has_setup = inspect.isclass(Model) and _repair(Model)
    if not inspect.isclass(Model):
        Model = _watched(Model)
if not _has_setup:
    _settle()
