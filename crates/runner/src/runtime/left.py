# What a process with a model in it has to do when it ends: take along all that it has started.
import glob
import os
import signal

_FAMILY = b"COGWIRE_INSTANCE=" + os.environb[b"COGWIRE_INSTANCE"]


def _end_all():
    """Kills what this process has started, also what is not in its group any more, where the system shows it. And itself."""
    for process in glob.glob("/proc/[0-9]*"):
        try:
            with open(process + "/environ", "rb") as environment:
                if _FAMILY in environment.read().split(b"\0") and int(process[6:]) != os.getpid():
                    os.kill(int(process[6:]), signal.SIGKILL)
        except OSError:
            pass  # It has ended, or belongs to somebody else.
    os.killpg(os.getpgrp(), signal.SIGKILL)
