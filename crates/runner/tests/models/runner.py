"""As models are written for Cog 0.23 and later."""

import functools

from cog import BaseRunner, Input


def careful(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


class Runner(BaseRunner):
    @careful
    def run(self, text: str = Input(), times: int = Input(default=2)) -> str:
        return text * times
