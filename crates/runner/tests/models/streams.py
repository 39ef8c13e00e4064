import tempfile
import typing

from cog import BasePredictor, ConcatenateIterator, Path


class Tokens(BasePredictor):
    def predict(self, count: int, fail_at: int = -1) -> ConcatenateIterator[str]:
        for number in range(count):
            if number == fail_at:
                raise ValueError(f"told to fail at {number}")
            print("token", number)
            yield f"t{number} "


class Frames(BasePredictor):
    """Writes every frame to the same file."""

    def predict(self, count: int) -> typing.Iterator[Path]:
        path = Path(tempfile.gettempdir()) / "frame.txt"
        for number in range(count):
            path.write_text(f"frame {number}")
            yield path
