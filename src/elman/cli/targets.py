"""The files that a command writes: looked at before the work, written whole after it."""

from __future__ import annotations

import errno
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import getpid
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from elman._files import is_ours, try_to_replace
from elman._signals import Uninterrupted
from elman.cli.output import say_error, say_in_words

Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Also replace files that elman did not write.")
]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # a failure, but no wrong use


@dataclass(frozen=True)
class Target:
    """A file that a command is going to write.

    Attributes
    ----------
    path : Path
    option : str
        What the user gave it with.
    kind : {"model", "page", "log", "JSON", "picture", "table"}
    force : bool
        Whether it may replace a file that elman did not write.
    """

    path: Path
    option: str
    kind: Literal["model", "page", "log", "JSON", "picture", "table"]
    force: bool = False

    def save(self, write: Callable[[Path], object]) -> Path:
        """Write the file, and if that fails, write it where it can be, and say where.

        Parameters
        ----------
        write : callable
            Given the path.

        Returns
        -------
        path
            Where the file is.

        Raises
        ------
        OSError
            If it could be written nowhere.
        """
        with Uninterrupted():
            try:
                self._refuse_foreign()
                write(self.path)
            except OSError as error:
                failure = error
            else:
                return self.path
            for folder in _elsewhere():
                try:
                    path = folder() / _unique_name(self.path)
                    write(path)
                except OSError:
                    continue
                say_error(f"error: {self.path} could not be written: {failure}")
                say_error(f"the {self.kind} was saved to {path} instead")
                return path
        raise failure

    def say_if_replaced(self) -> None:
        """Say that there is a file already, while a person can still keep it."""
        if self.path.exists():
            say_in_words(
                f"{self.path} exists and will be replaced in the end; to keep it, choose another "
                f"name: {self.option} FILE"
            )

    def _refuse_foreign(self) -> None:
        if not self.force and self.path.exists() and not is_ours(self.path, self.kind):
            raise FileExistsError(
                f"{self.path} exists, and nothing in it says that it is a {self.kind} that elman "
                "wrote. Choose another name, or replace it with --force."
            )


def check_targets(targets: Iterable[Target | None], inputs: Iterable[Path]) -> None:
    """Refuse before the work what could not be written after it, or would destroy something.

    Parameters
    ----------
    targets : iterable of Target, or None where there is none
    inputs : iterable of Path
        What the command reads.

    Raises
    ------
    typer.BadParameter
        If a target is no file, is read-only, is an input, in a folder that is one, or another target,
        or holds something that elman did not write.
    OSError
        If the disk is full.
    """
    before: list[Target] = []
    for target in targets:
        if target is None:
            continue
        try:
            for path in inputs:
                if _is_same(path, target.path):
                    raise FileExistsError(f"{target.path} is the file that is read")
                if path.is_dir() and _is_read_of(path, target.path):
                    raise FileExistsError(
                        f"{target.path} would be in the folder that is read, {path}, and be read with "
                        f"it next time. Name a file in another folder: {target.option} ../NAME"
                    )
            for other in before:
                if _is_same(other.path, target.path):
                    raise FileExistsError(f"{target.path} is also the file of {other.option}")
            target._refuse_foreign()
            try_to_replace(target.path)
        except OSError as error:
            if error.errno in _FULL:
                raise
            raise typer.BadParameter(str(error), param_hint=target.option) from None
        before.append(target)


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _is_read_of(folder: Path, path: Path) -> bool:
    """Whether a file would be read with a folder: one in it, or in a folder in it."""
    path, folder = path.resolve(), folder.resolve()
    return not path.name.startswith(".") and folder in (path.parent, path.parent.parent)


def _elsewhere() -> Iterator[Callable[[], Path]]:
    """Give folders in which a file may be saved: the user's cache, then the temporary files."""
    yield _cache
    yield lambda: Path(tempfile.mkdtemp(prefix="elman-"))


def _cache() -> Path:
    import pooch

    folder = Path(pooch.os_cache("elman")) / "saved"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _unique_name(path: Path) -> str:
    moment = time.strftime("%Y%m%d-%H%M%S")
    return f"{path.stem[:40]}-{moment}-{getpid()}{path.suffix[:20]}"


def default_output(source: str, binary: tuple[int, int] | None, steps: str | None) -> Path:
    """Name the model file of a data set or file where nobody does."""
    path = Path(source)
    if path.is_dir():
        path = path.resolve()  # "." has a name, too
    parts = (path.stem, *(binary or ()), *([steps] if steps else ()))
    return Path("-".join(map(str, parts)) + ".safetensors")


def free_name(path: Path, why: str = "interrupted") -> Path:
    """Return the path or, where something is already, m.interrupted.x, m.interrupted-2.x, ….

    ``why`` is the word between. What ended so replaces nothing, be it what another one left.
    """
    name, number = path, 1
    while name.exists():
        name = path.with_name(f"{path.stem}.{why}{f'-{number}' * (number > 1)}{path.suffix}")
        number += 1
    return name
