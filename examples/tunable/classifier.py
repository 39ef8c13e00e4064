"""A naive Bayes classifier: which label goes with a text, judged by how often its words came with each label."""

import csv
import json
import math
from collections import Counter


class Classifier:
    def __init__(self, words: dict[str, dict[str, int]]):
        self.words = {label: Counter(counts) for label, counts in words.items()}
        self.vocabulary = len(set().union(*self.words.values()))

    @classmethod
    def load(cls, path: str) -> "Classifier":
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))

    @classmethod
    def learn(cls, path: str) -> "Classifier":
        """Learns from a CSV file without a header: a label and a text in each row."""
        words = {}
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                if len(row) != 2:
                    raise ValueError(f"Each row must be a label and a text, not {row}")
                label, text = row
                words.setdefault(label, Counter()).update(text.lower().split())
        if not words:
            raise ValueError("There is nothing to learn from")
        return cls(words)

    def save(self, path: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.words, file)

    def label_of(self, text: str) -> str:
        words = text.lower().split()
        return max(self.words, key=lambda label: self.likelihood(label, words))

    def likelihood(self, label: str, words: list[str]) -> float:
        """The logarithm, up to a constant. Every word counts once more than it was seen: none is impossible."""
        counts = self.words[label]
        total = counts.total() + self.vocabulary
        return sum(math.log((counts[word] + 1) / total) for word in words)
