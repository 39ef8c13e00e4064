"""Tells stories, one word at a time.

It has learned which word may follow which from the few stories in stories.txt. That is a very small language model, and it runs as a
large one does: it takes a moment for each word, and whoever listens sees the word at once.
"""

import random
import time
from collections import defaultdict

from cog import BasePredictor, ConcatenateIterator, Input

# Before the first word of a sentence, and after its last one.
BOUNDARY = ""


class Predictor(BasePredictor):
    def setup(self) -> None:
        """Runs once, before the first prediction: here, models load their weights."""
        self.followers = defaultdict(list)
        with open("stories.txt", encoding="utf-8") as stories:
            for sentence in stories:
                words = [BOUNDARY, *sentence.split(), BOUNDARY]
                for word, follower in zip(words, words[1:]):
                    self.followers[word].append(follower)
        print(f"learned {len(self.followers)} words")

    def predict(
        self,
        hero: str = Input(description="Whom the story is about", default="Anna"),
        sentences: int = Input(description="How long the story is", ge=1, le=1000, default=3),
        pause: float = Input(description="Seconds for each word", ge=0, le=10, default=0.05),
        seed: int | None = Input(description="The same number tells the same story; leave it out for a new one", default=None),
    ) -> ConcatenateIterator[str]:
        chance = random.Random(seed)
        for number in range(1, sentences + 1):
            print(f"sentence {number} of {sentences}")
            word = chance.choice(self.followers[BOUNDARY])
            while word != BOUNDARY:
                yield word.replace("HERO", hero) + " "
                time.sleep(pause)
                word = chance.choice(self.followers[word])
