"""Says what time it is, once somebody listens."""

import time

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    def predict(self, pause: float = Input(description="Seconds until the only token", ge=0, default=0.3)) -> ConcatenateIterator[str]:
        time.sleep(pause)
        yield f"{time.time():.6f}"
