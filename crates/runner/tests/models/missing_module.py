import there_is_no_such_module


class Predictor:
    pass
