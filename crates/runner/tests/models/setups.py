import os
import sys
import time

from cog import BasePredictor


class Base(BasePredictor):
    def predict(self) -> str:
        return "x"


class Fails(Base):
    def setup(self):
        print("loading weights")
        print("no line end", end="")
        raise RuntimeError("no weights here")


class Floods(Base):
    def setup(self):
        for number in range(20_000):
            print("line", number)
        raise RuntimeError("after a flood")


class Hangs(Base):
    def setup(self):
        print("loading")
        time.sleep(1000)


class Dies(Base):
    def setup(self):
        print("loading", flush=True)
        os._exit(5)


class Exits(Base):
    def setup(self):
        sys.exit("no graphics card")


class Weighs(BasePredictor):
    def setup(self, weights: str):
        self.weights = weights

    def predict(self) -> str:
        return str(self.weights)
