"""Says hello, after as many lines in its log as it is asked for."""

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def predict(self, text: str = Input(default="world"), lines: int = Input(ge=0, default=0)) -> str:
        for number in range(lines):
            print(f"line {number}")
        return f"hello {text}"
