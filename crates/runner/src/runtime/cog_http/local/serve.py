# Runs Cog's own HTTP server, as `python -m cog.server.http` does, so that it ends with Cogwire and with its model:
#
#     python -c <this text> ARGUMENTS
#
# Cogwire holds the other end of the standard input, and writes to it once the model is ready. From then on the server
# dies the death of the model's process, which is its child: by itself it would stay, and take no predictions.
# The text is left.py and then this file. Written for Python 3.7 and newer.
import ctypes
import resource
import runpy
import threading


def _watch():
    while os.read(0, 1):
        _in_background(_share_death)
    _end_all()


def _share_death():
    if not hasattr(os, "waitid"):
        return  # Its server will say that something is wrong.
    try:
        died = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return
    if died.si_code == os.CLD_EXITED:
        os._exit(died.si_status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python's own way works in its main thread only.
    ctypes.CDLL(None).signal(died.si_status, 0)
    os.kill(os.getpid(), died.si_status)


def _in_background(work):
    threading.Thread(target=work, name="cogwire", daemon=True).start()


_in_background(_watch)
runpy.run_module("cog.server.http", run_name="__main__", alter_sys=True)
