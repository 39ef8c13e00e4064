# Runs Cog's own HTTP server, as `python -m cog.server.http` does, so that it ends with Cogwire and with its model:
#
#     python -c <this text> ARGUMENTS
#
# Cogwire holds the other end of the standard input, and writes to it once the model is ready. From then on the server
# dies the death of the model's process, which is its child: by itself it would stay, and take no predictions.
# It reads its own answer again, with the input in it, and cannot read a file that is None because it was not given.
# The text is left.py and then this file. Written for Python 3.7 and newer.
import ctypes
import importlib
import multiprocessing
import multiprocessing.connection
import resource
import runpy
import threading
import time


def _watch():
    while os.read(0, 1):
        _in_background(_share_death)
    _end_all()


def _share_death():
    models = multiprocessing.active_children()
    if not models:
        return  # The server will say that something is wrong.
    # The server may take note of the death first: then how it died is known a moment later.
    multiprocessing.connection.wait([model.sentinel for model in models])
    code = None
    while code is None:
        time.sleep(0.005)
        code = next((model.exitcode for model in models if model.exitcode is not None), None)
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python's own way works in its main thread only.
    ctypes.CDLL(None).signal(-code, 0)
    os.kill(os.getpid(), -code)


def _in_background(work):
    threading.Thread(target=work, name="cogwire", daemon=True).start()


def _take_none(kind):
    validate = kind.validate.__func__
    kind.validate = classmethod(lambda cls, value: None if value is None else validate(cls, value))


_in_background(_watch)
for _kind in "File", "Path":
    _take_none(getattr(importlib.import_module("cog.types"), _kind))
runpy.run_module("cog.server.http", run_name="__main__", alter_sys=True)
