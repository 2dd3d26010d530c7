"""Errors that say what was expected, what was given, where, and what to do."""

import sys
import warnings

_BETWEEN = sys.stdlib_module_names | {"elman", "joblib", "sklearn"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code that called this package, however deep the call is."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


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
