from __future__ import annotations

from typing import List, Optional

from cog import BasePredictor, Input, Path, Secret


class Predictor(BasePredictor):
    def predict(
        self,
        file: Path,
        files: List[Path],
        name: Optional[str] = Input(default=None),
        count: int = Input(default=3, ge=1),
        size: int = 7,
    ) -> str:
        texts = [path.read_text() for path in [file, *files]]
        return " ".join([*texts, str(name), str(count), str(size)])


def tell(password: Secret, mark: str = Input(default="!")) -> str:
    return f"{password} is {password.get_secret_value()}{mark}"


def greet(text: str, name: Optional[str]) -> str:
    return f"{text} {name}"
