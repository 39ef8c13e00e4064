"""Models for servers: what each does is up to its input."""

import ctypes
import os
import pathlib
import time
import typing

from cog import BasePredictor, ConcatenateIterator, Path


def wait_for(path):
    """The test decides when it goes on."""
    while not os.path.exists(path):
        time.sleep(0.01)


class Values(BasePredictor):
    def setup(self):
        print("weights are there", flush=True)

    def predict(self, what: str, text: str = "") -> typing.Any:
        return getattr(self, what)(text)

    def echo(self, text):
        print("saying it")
        return text

    def fails(self, text):
        print("before")
        raise ValueError("told to")

    def dies(self, text):
        print("so long", flush=True)
        os._exit(3)

    def crashes(self, text):
        ctypes.string_at(0)

    def waits(self, text):
        print("waiting", flush=True)
        pathlib.Path(text + ".begun").touch()
        wait_for(text)
        return "done"

    def stubborn(self, text):
        pathlib.Path(text + ".begun").touch()
        while not os.path.exists(text):
            try:
                time.sleep(0.01)
            except BaseException:
                pass
        return "never mind"

    def floods(self, text):
        for number in range(20_000):
            print(f"line {number}")


class Texts(BasePredictor):
    def predict(
        self, count: int, fail_at: int = -1, wait_for_file: str = "", pause: float = 0.0
    ) -> ConcatenateIterator[str]:
        time.sleep(pause)
        for number in range(count):
            if number == fail_at:
                raise ValueError(f"told to fail at {number}")
            if not wait_for_file:
                # In one piece: the oldest server drops the spaces between pieces that come apart.
                print(f"token {number}", flush=True)
            yield f"t{number} "
            if wait_for_file:
                wait_for(wait_for_file)


class Words(BasePredictor):
    def predict(self, text: str) -> typing.List[str]:
        return text.split()


class Frames(BasePredictor):
    def predict(self, count: int) -> typing.Iterator[Path]:
        for number in range(count):
            path = pathlib.Path(f"frame-{number}.txt").absolute()
            path.write_text(f"frame {number}")
            yield Path(path)


class Broken(BasePredictor):
    def setup(self):
        print("loading", flush=True)
        raise RuntimeError("no weights here")

    def predict(self, text: str) -> str:
        return text
