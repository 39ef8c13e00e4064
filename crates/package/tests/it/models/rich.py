from typing import Iterator, List, Optional

from cog import BasePredictor, File, Input, Path, Secret


class Predictor(BasePredictor):
    def setup(self):
        raise RuntimeError("inspecting does not set up")

    def predict(
        self,
        prompt: str = Input(description="What to write"),
        style: str = Input(default="plain", choices=["plain", "loud"], description="How to write it"),
        size: int = Input(default=2, choices=[1, 2, 4]),
        steps: int = Input(default=10, ge=1, le=50),
        scale: float = Input(default=1.5, ge=0, le=2.5),
        tiled: bool = False,
        name: str = Input(default="x", min_length=1, max_length=8, regex="^[a-z]+$"),
        image: Path = Input(description="A picture"),
        mask: Optional[Path] = Input(default=None),
        seed: Optional[int] = None,
        raw: File = Input(description="Anything"),
        words: List[str] = Input(description="Some words"),
        token: Secret = Input(description="For another service"),
    ) -> Iterator[str]:
        yield prompt
