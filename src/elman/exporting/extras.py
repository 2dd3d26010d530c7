"""Packages that only an exporter needs: imported when it is used, and named if they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from elman.errors import ElmanError


def require(package: str, extra: str, what: str) -> Any:
    """Import a package that elman needs only here.

    Parameters
    ----------
    package : str
    extra : str
        The extra of elman that installs it: ``pip install 'elman[extra]'``.
    what : str
        What it is for, the beginning of the message.

    Raises
    ------
    ElmanError
        If it is not installed; with the command that installs it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise ElmanError(
            f"{what} needs {error.name}, which is not installed. Run: pip install 'elman[{extra}]'"
        ) from None
