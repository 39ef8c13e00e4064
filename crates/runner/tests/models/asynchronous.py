import asyncio
import sys
import tempfile
import typing

from cog import BasePredictor, Path


class Predictor(BasePredictor):
    async def setup(self):
        print("loading slowly")
        await asyncio.sleep(0)

    async def predict(self, name: str, count: int = 3, what: str = "") -> str:
        for number in range(count):
            print(name, number, end="")
            await asyncio.sleep(0.005)
            print(" of", name)
        if what == "fail":
            raise ValueError(f"{name} was told to")
        if what == "exit":
            sys.exit()
        while what == "hang":
            await asyncio.sleep(0.01)
        return name


class Tokens(BasePredictor):
    async def predict(self, count: int, fail: bool = False, hang: bool = False) -> typing.AsyncIterator[str]:
        for number in range(count):
            print("token", number)
            yield f"t{number} "
        if fail:
            raise ValueError("told to fail")
        while hang:
            await asyncio.sleep(0.01)
        yield "x" * 2_000_000


class Files(BasePredictor):
    async def predict(self, count: int) -> typing.AsyncIterator[Path]:
        for number in range(count):
            path = Path(tempfile.mkdtemp()) / f"{number}.txt"
            path.write_text(f"file {number}")
            yield path
