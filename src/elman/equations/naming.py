"""The names of cells and losses in model files, also of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def encode(part: Any, table: Mapping[str, type]) -> str | dict[str, Any]:
    """Return the name of a cell or a loss, or its name and settings, in plain types for a model file.

    Parameters
    ----------
    part : str or object
    table : mapping from name to class
        elman's own classes; a class that is not among them is stored under its own name.

    Raises
    ------
    ValueError
        If this name and these settings would not make the same cell or loss again.
    """
    if isinstance(part, str):
        return part
    kind = type(part)
    name = {ours: name for name, ours in table.items()}.get(kind, kind.__name__)
    if table.get(name, kind) is not kind:
        raise ValueError(f"{part!r} cannot be saved: {name!r} is elman's own. Rename its class")
    settings = vars(part)
    if is_dataclass(part):
        settings = {field.name: getattr(part, field.name) for field in fields(part)}
    try:
        is_made_again = kind(**settings) == part
    except TypeError:
        is_made_again = False
    if not is_made_again:
        raise ValueError(
            f"{part!r} cannot be saved: its class does not make it again of {settings}. Make the class "
            "a dataclass(frozen=True) whose fields are all that it depends on"
        )
    return {"name": name, **settings}


class NotHereError(ValueError):
    """A cell or a loss whose class has not been imported."""


def decode(encoded: Any, table: Mapping[str, type], base: type, what: str) -> Any:
    """Make a cell or a loss from what ``encode`` returned; a plain name stays a name.

    Parameters
    ----------
    encoded : str or dict
    table : mapping from name to class
    base : type
        The base class of the classes that are not in the table.
    what : str
        ``"cell"`` or ``"loss"``, for messages.

    Raises
    ------
    NotHereError
        If no class of this name has been imported.
    ValueError
        If it does not take these settings.
    """
    if isinstance(encoded, str) and encoded in table:
        return encoded
    settings = {"name": encoded} if isinstance(encoded, str) else dict(encoded)
    name = settings.pop("name")
    known = {kind.__name__: kind for kind in _subclasses(base) if not _is_ours(kind)} | dict(table)
    if name not in known:
        raise NotHereError(
            f"it was trained with the {what} {name!r:.100}, which is not elman's. Import the module "
            f"that defines this subclass of elman.{base.__name__}, then load the model"
        )
    return known[name](**{key: _tuples(value) for key, value in settings.items()})


def require_hashable(part: Any) -> None:
    """Refuse, by a ValueError, a cell or a loss that could change while a network has it."""
    try:
        hash(part)
    except TypeError:
        raise ValueError(
            f"{part!r} cannot be hashed; make its class a dataclass(frozen=True) whose fields are "
            "numbers or tuples of them"
        ) from None


def _tuples(value: Any) -> Any:
    """Turn JSON's lists into the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("elman.")


def _subclasses(kind: Any) -> Iterator[type]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
