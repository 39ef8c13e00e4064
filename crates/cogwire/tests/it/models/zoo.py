"""One model with a behaviour for each test."""

import ctypes
import os
import signal
import subprocess
import tempfile
import time

from cog import BaseModel, BasePredictor, Input, Path


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)


def ignore_term():
    """Python's own way works in its main thread only."""
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal(signal.SIGTERM, 1)


class Predictor(BasePredictor):
    def setup(self, weights: Path | None = None) -> None:
        # Cog gives the name of the file, whatever is declared.
        self.greeting = Path(weights).read_text() if weights else "hello"
        if gate := os.environ.get("GATE"):
            Path(gate + ".waits").write_text(str(os.getpid()))
            print("waiting at the gate", flush=True)
            wait_for(gate)
        if os.path.exists(os.environ.get("TRAP", "")):
            raise RuntimeError("The trap has shut")
        print(f"knows {self.greeting}")

    def predict(
        self,
        act: str = Input(description="What to do", default="greets"),
        text: str = Input(description="With what", default=""),
        count: int = Input(description="How often", ge=0, default=1),
    ) -> str:
        return getattr(self, act)(text, count)

    def greets(self, text, count):
        return f"{self.greeting} {text}"

    def says_its_number(self, text, count):
        return str(os.getpid())

    def waits(self, text, count):
        print("waiting", flush=True)
        wait_for(text)
        return "waited"

    def takes_note(self, text, count):
        path, line = text.split("|")
        with open(path, "a") as file:
            file.write(line + "\n")
        time.sleep(0.003)
        return line

    def exits(self, text, count):
        os._exit(3)

    def crashes(self, text, count):
        ctypes.string_at(0)

    def prints_rubbish(self, text, count):
        os.write(1, b"\xff\xfe\x00\x80" * 10_000 + b"\n")
        os.write(2, bytes(range(256)) * 100)
        return "said"

    def leaves_a_daemon(self, text, count):
        daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        forked = os.fork()
        if forked == 0:
            ignore_term()
            time.sleep(1000)
        return f"{os.getpid()} {daemon.pid} {forked}"

    def ignores_everything(self, text, count):
        ignore_term()
        print("ignoring", flush=True)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass

    def talks_much(self, text, count):
        return "x" * count


class TrainingOutput(BaseModel):
    weights: Path


def train(
    act: str = Input(description="What to do", default="learns"),
    text: str = Input(description="With what", default=""),
) -> TrainingOutput:
    print("training", flush=True)
    if act == "fails":
        raise ValueError("There is nothing to learn")
    if act == "waits":
        with open(text + ".begun", "a") as file:
            file.write("begun\n")
        wait_for(text)
    weights = Path(tempfile.mkdtemp()) / "weights.txt"
    weights.write_text(text)
    return TrainingOutput(weights=weights)
