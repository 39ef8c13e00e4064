"""One model with a behaviour for each test."""

import ctypes
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing

from cog import BaseModel, BasePredictor, Input, Path


class Picture(BaseModel):
    image: Path
    title: str


def written(name, text):
    path = Path(tempfile.mkdtemp()) / name
    path.write_text(text)
    return path


def ignore_term():
    """Python's own way works in its main thread only."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal(signal.SIGTERM, 1)


class Predictor(BasePredictor):
    def predict(self, what: str = Input(), text: str = "") -> typing.Any:
        return getattr(self, what)(text)

    def values(self, text):
        return {"a": [1, 2.5, None, "ü"]}

    def nothing(self, text):
        return None

    def writes_to_its_slot(self, text):
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            try:
                stream = socket.socket(fileno=os.dup(descriptor))
                if stream.getpeername().endswith("slot-0.sock"):
                    stream.sendall(b"\0\0\0\2xx")
            except (OSError, AttributeError):
                pass  # It is something else.
        time.sleep(1000)

    def items(self, text):
        return list(text)

    def echo(self, text):
        return text

    def large(self, text):
        return "x" * 20_000_000

    def length(self, text):
        return len(text)

    def greedy(self, text):
        """Asks for addresses only."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
        return len(mmap.mmap(-1, 6 << 30, flags=flags))

    def fails(self, text):
        print("before")
        raise ValueError("told to")

    def fails_silently(self, text):
        assert False

    def exits(self, text):
        sys.exit(3)

    def partial(self, text):
        print(text, end="")
        sys.stderr.write("and an error")

    def floods(self, text):
        for number in range(100_000):
            print("line", number)

    def child(self, text):
        subprocess.run(["sh", "-c", "echo from a child; echo its error >&2; printf 'no line end'"])

    def floods_and_dies(self, text):
        subprocess.run(["sh", "-c", "yes | head -c 4000000"])
        os._exit(4)

    def buffered(self, text):
        ctypes.CDLL(None).printf(b"from a library\n")

    def rubbish(self, text):
        os.write(1, b"\xff\xfe\x00\x80" * 1000 + b"\n")

    def closes(self, text):
        os.close(1)
        os.close(2)

    def closes_everything(self, text):
        os.closerange(3, 4096)
        time.sleep(1000)

    def measures(self, text):
        self.record_metric("tokens", 1, mode="incr")
        self.record_metric("tokens", 2, mode="incr")
        self.record_metric("timing.load", 0.5)
        self.record_metric("timing.run", 1.5)

    def file(self, text):
        return written("out.txt", text)

    def same_file(self, text):
        path = Path(tempfile.gettempdir()) / "same.txt"
        path.write_text(text)
        return path

    def files(self, text):
        return [written("out.txt", "one"), written("out.txt", "two")]

    def stream_of_file(self, text):
        return open(written("opened.txt", text), "rb")

    def nested(self, text):
        return Picture(image=written("cat.png", text), title="a cat")

    def forged(self, text):
        return {"text": text}

    def missing(self, text):
        return Path("/nonexistent/file.txt")

    def folder(self, text):
        return Path(tempfile.mkdtemp())

    def dies(self, text):
        print("so long", flush=True)
        os._exit(3)

    def crashes(self, text):
        ctypes.string_at(0)

    def is_killed(self, text):
        os.kill(os.getpid(), signal.SIGKILL)

    def hangs(self, text):
        print("hanging", flush=True)
        while True:
            time.sleep(0.02)

    def swallows(self, text):
        print("hanging", flush=True)
        try:
            while True:
                time.sleep(0.02)
        except BaseException:
            return "never mind"

    def ignores(self, text):
        ignore_term()
        print("hanging", flush=True)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass

    def leaves_behind(self, text):
        child = subprocess.Popen(["sleep", "1000"])
        daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        forked = os.fork()
        if forked == 0:
            ignore_term()
            time.sleep(1000)
        return [child.pid, daemon.pid, forked]

    def environment(self, text):
        return dict(os.environ)
