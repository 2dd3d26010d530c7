"""Cells and losses by name, as model files hold them; also those that are not elman's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def encode(part: Any, table: Mapping[str, type]) -> str | dict[str, Any]:
    """Return the name of a cell or a loss, or its name and settings, plain enough for a model file.

    Parameters
    ----------
    part : str or object
    table : mapping from name to class
        elman's own; a class that is not among them goes by its own name.
    """
    if isinstance(part, str):
        return part
    names = {kind: name for name, kind in table.items()}
    settings = (
        {field.name: getattr(part, field.name) for field in fields(part)}
        if (is_dataclass(part))
        else {}
    )
    return {"name": names.get(type(part), type(part).__name__), **settings}


def decode(encoded: Any, table: Mapping[str, type], base: type, what: str) -> Any:
    """Make a cell or a loss of what ``encode`` returned; a plain name stays one.

    Parameters
    ----------
    encoded : str or dict
    table : mapping from name to class
    base : type
        Of whose subclasses those are that are not in the table.
    what : str
        ``"cell"`` or ``"loss"``, for messages.

    Raises
    ------
    ValueError
        If there is none of that name here, or it does not take these settings.
    """
    if isinstance(encoded, str) and encoded in table:
        return encoded
    settings = {"name": encoded} if isinstance(encoded, str) else dict(encoded)
    name = settings.pop("name")
    known = {kind.__name__: kind for kind in _subclasses(base)} | dict(table)
    if name not in known:
        raise ValueError(
            f"it was trained with the {what} {name!r:.100}, which is not elman's. Import the module "
            f"that defines this subclass of elman.{base.__name__}, then load the model"
        )
    for key, value in settings.items():
        settings[key] = tuple(value) if isinstance(value, list) else value
    return known[name](**settings)


def _subclasses(kind: Any) -> Iterator[type]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
