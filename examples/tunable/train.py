"""Teaches the classifier other labels."""

import tempfile

from classifier import Classifier
from cog import BaseModel, Input, Path


class TrainingOutput(BaseModel):
    """Cog wants the new weights under this name."""

    weights: Path


def train(examples: Path = Input(description="A CSV file: a label and a text in each row")) -> TrainingOutput:
    classifier = Classifier.learn(str(examples))
    for label, counts in classifier.words.items():
        print(f"learned {label} from {counts.total()} words")
    weights = Path(tempfile.mkdtemp()) / "weights.json"
    classifier.save(str(weights))
    return TrainingOutput(weights=weights)
