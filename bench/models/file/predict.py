"""Gives a file of any size."""

import os
import tempfile

from cog import BasePredictor, Input, Path

MEGABYTE = 1_000_000


class Predictor(BasePredictor):
    def predict(self, megabytes: int = Input(ge=1, default=1)) -> Path:
        block = os.urandom(MEGABYTE)
        with tempfile.NamedTemporaryFile(suffix=".bin", delete=False) as file:
            for _ in range(megabytes):
                file.write(block)
        return Path(file.name)
