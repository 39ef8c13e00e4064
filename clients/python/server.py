"""A Cogwire server of the tests: built, started on a free port, and stopped as an operator would."""

import os
import re
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "clients" / "scripts.toml"
START_SECONDS = 30
STOP_SECONDS = 30


class Server:
    """Runs while the `with` block does. Leaving the block sends SIGTERM, and fails unless the server exits with 0."""

    def __init__(
        self,
        *arguments: str,
        data_dir: Path | None = None,
        variables: dict[str, str] | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.token = "r8_" + secrets.token_hex(19)[:37]
        self.url = ""
        self._arguments = arguments
        self._data_dir = data_dir
        self._variables = variables or {}
        self._start_seconds = start_seconds
        self._log: list[str] = []
        self._bound = threading.Event()

    def __enter__(self) -> "Server":
        self._folder = tempfile.TemporaryDirectory(prefix="cogwire-clients-")
        data_dir = self._data_dir or self._folder.name
        self._process = subprocess.Popen(
            [binary(), "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir, "--scripts", SCRIPTS, *self._arguments],
            env={**environment(self.token), **self._variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if not self._bound.wait(self._start_seconds) or not self.url:
            self._process.kill()
            raise AssertionError(f"the server did not say where it listens:\n{self.log}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s of SIGTERM:\n{self.log}") from None
        finally:
            self._reader.join(STOP_SECONDS)
            self._folder.cleanup()
        assert status == 0, f"the server exited with {status}:\n{self.log}"

    @property
    def log(self) -> str:
        """What the server has written to stderr so far."""
        return "".join(self._log)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line)
            if not self.url and (match := re.search(r"https?://127\.0\.0\.1:\d+", line)):
                self.url = match.group()
                self._bound.set()
        self._bound.set()


def binary() -> str:
    """The server to test: COGWIRE_BINARY, or else a fresh debug build."""
    if given := os.environ.get("COGWIRE_BINARY"):
        return given
    subprocess.run(["cargo", "build", "--quiet", "--package", "cogwire"], cwd=REPOSITORY, check=True)
    return str(REPOSITORY / "target" / "debug" / "cogwire")


def environment(token: str) -> dict[str, str]:
    """The environment without settings of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COGWIRE_", "REPLICATE_"))}
    return {**kept, "COGWIRE_API_TOKEN": token}


def wait_until(condition, seconds: float = 15, what: str = "the condition"):
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)
