import tempfile

from cog import BaseModel, Input, Path


class TrainingOutput(BaseModel):
    weights: Path
    steps: int


def train(steps: int = Input(), fail: bool = False) -> TrainingOutput:
    print(f"training {steps} steps")
    if fail:
        raise ValueError("the loss is not a number")
    weights = Path(tempfile.mkdtemp()) / "weights.bin"
    weights.write_bytes(b"w" * steps)
    return TrainingOutput(weights=weights, steps=steps)
