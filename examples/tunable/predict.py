"""Says which label fits a text: moods, until it is trained for something else."""

from classifier import Classifier
from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def setup(self, weights: Path | None = None) -> None:
        """`weights` are those of a training. The version that was never trained has none."""
        self.classifier = Classifier.load(str(weights)) if weights else Classifier.learn("moods.csv")
        print(f"knows {', '.join(self.classifier.words)}")

    def predict(self, text: str = Input(description="A few words", min_length=1)) -> str:
        return self.classifier.label_of(text)
