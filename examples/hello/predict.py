"""Greets somebody."""

from cog import BasePredictor, Input

GREETINGS = {"English": "Hello", "French": "Bonjour", "German": "Guten Tag", "Spanish": "Hola"}


class Predictor(BasePredictor):
    def predict(
        self,
        name: str = Input(description="Whom to greet", min_length=1),
        language: str = Input(description="In which language", choices=sorted(GREETINGS), default="English"),
    ) -> str:
        print(f"greeting {name} in {language}")
        return f"{GREETINGS[language]}, {name}!"
