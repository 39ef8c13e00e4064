"""Counts what is in a text file."""

import hashlib
from collections import Counter

from cog import BaseModel, BasePredictor, Input, Path


class Counts(BaseModel):
    """The output, field by field."""

    bytes: int
    lines: int
    words: int
    most_frequent: str
    sha256: str


class Predictor(BasePredictor):
    def predict(
        self,
        document: Path = Input(description="The text, encoded as UTF-8"),
        ignore_case: bool = Input(description="Whether `The` is the same word as `the`", default=True),
    ) -> Counts:
        # The file is on this machine, wherever it came from.
        content = document.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"The document is not text: byte {error.start + 1} is not UTF-8") from error
        words = (text.lower() if ignore_case else text).split()
        return Counts(
            bytes=len(content),
            lines=len(text.splitlines()),
            words=len(words),
            most_frequent=Counter(words).most_common(1)[0][0] if words else "",
            sha256=hashlib.sha256(content).hexdigest(),
        )
