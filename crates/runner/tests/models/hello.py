from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def setup(self):
        print("loading")
        self.prefix = "hello"

    def predict(self, text: str = Input(description="Text to prefix")) -> str:
        print("saying hello")
        return self.prefix + " " + text


def shout(text: str) -> str:
    return text.upper()
