"""The errors that are for a person to read: what was expected, what came, where, what to do."""


class ElmanError(Exception):
    """Base of all errors this package raises on purpose."""


class DataError(ElmanError, ValueError):
    """Sequences, labels or a data file are not what they have to be."""


class ModelFileError(ElmanError, ValueError):
    """A model file is damaged, altered, foreign, or from another version."""


class DivergenceError(ElmanError, ArithmeticError):
    """Training produced a loss or a gradient that is not finite."""


class RankError(ElmanError, RuntimeError):
    """Another rank of an MPI job has failed or left, or is about to do something else."""
