"""What a training is asked for beside its estimator: what it reads, and what it writes.

A checkpoint holds it, so that ``elman resume`` needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

import typer

from elman.cli.columns import TableOptions, TaskName
from elman.cli.sources import files_read, is_file, is_npz, open_dataset
from elman.cli.targets import Target, check_targets

if TYPE_CHECKING:
    from elman.datasets import Dataset

_PATHS = ("output", "plot", "log", "data_dir", "validation")


@dataclass(frozen=True)
class Request:
    """The options of ``elman train`` that are not the estimator's.

    Attributes
    ----------
    source : str
        A data set's name, or a file.
    output, plot, log, data_dir, validation : Path
        None where there are none; ``output`` is there.
    checkpoint : Path or None
    every : float or None
        Seconds between two checkpoints.
    """

    source: str
    output: Path
    plot: Path | None = None
    log: Path | None = None
    checkpoint: Path | None = None
    every: float | None = None
    force: bool = False
    diagnose: bool = False
    data_dir: Path | None = None
    steps: Literal["rows", "pixels", "flat"] | None = None
    binary: tuple[int, int] | None = None
    task: TaskName = "classification"
    test_size: float | None = None
    step_size: int | None = None
    validation: Path | None = None
    table: TableOptions = field(default_factory=TableOptions)

    @property
    def inputs(self) -> list[Path]:
        """The files that are read."""
        read = files_read(self.source, self.data_dir)
        return read if self.validation is None else [*read, self.validation]

    @property
    def model(self) -> Target:
        """Where the model goes."""
        return Target(self.output, "--output", "model", self.force)

    @property
    def curve(self) -> Target | None:
        """Where the learning curve goes."""
        return None if self.plot is None else Target(self.plot, "--plot", "picture", self.force)

    @property
    def history(self) -> Target | None:
        """Where the history goes."""
        return None if self.log is None else Target(self.log, "--log", "log", self.force)

    def check(self, *, begins: bool = True) -> None:
        """Refuse before the work what could not be written after it; see ``check_targets``.

        Parameters
        ----------
        begins : bool
            Whether a training begins, rather than goes on.
        """
        path = self.checkpoint
        if begins and path is not None and path.exists():
            raise typer.BadParameter(
                f"{path} exists already. To go on from it: elman resume {quote(str(path))}. To begin "
                "anew, remove it or take another name.",
                param_hint="--checkpoint",
            )
        if self.test_size is not None and not 0 < self.test_size < 1:
            raise typer.BadParameter(
                f"expected a share above 0 and below 1, as in 0.2; got {self.test_size:g}",
                param_hint="--test-size",
            )
        if self.every is not None and path is None:
            raise typer.BadParameter("it needs --checkpoint FILE", param_hint="--every")
        kept = None if path is None else Target(path, "--checkpoint", "model")
        check_targets([self.model, self.curve, self.history, kept], self.inputs)
        if self.plot is not None:
            from elman.cli.picture import check_drawable

            check_drawable(self.plot)

    def dataset(self) -> Dataset:
        """Read what is trained on."""
        return open_dataset(
            self.source,
            self.data_dir,
            self.steps,
            self.binary,
            self.test_size,
            self.step_size,
            self.task,
            self.table,
        )

    def watched(self, dataset: Dataset) -> tuple[Any, Any] | None:
        """Read a file to watch, as the one was read that is trained on."""
        if self.validation is None:
            return None
        if is_npz(self.validation):
            from elman.datasets import read_labelled_npz

            return read_labelled_npz(self.validation)
        from elman.reading.read import read_like

        reading = getattr(dataset.X_train, "reading", None) or {}
        separator = self.table.separator
        raw, filling = read_like(self.validation, reading, separator=separator, labels="required")
        raw = raw.complete(filling)
        return raw.sequences, raw.y

    @property
    def settings(self) -> dict[str, Any]:
        """It as plain numbers and text. Names of files are whole: they are read from elsewhere."""
        settings = asdict(replace(self, checkpoint=None, every=None))
        for name in _PATHS:
            path = settings[name]
            settings[name] = None if path is None else str(path.absolute())
        if is_file(self.source):
            settings["source"] = str(Path(self.source).absolute())
        return settings

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Request:
        """Put it together again; names of files are written as seen from here.

        Raises
        ------
        LookupError, TypeError
            If the settings are not those of a request.
        """
        known = {of.name: settings[of.name] for of in fields(cls)}
        for name in _PATHS:
            known[name] = None if known[name] is None else _from_here(known[name])
        if Path(known["source"]).is_absolute():
            known["source"] = str(_from_here(known["source"]))
        if known["binary"] is not None:
            known["binary"] = tuple(known["binary"])
        return cls(**known | {"table": TableOptions(**known["table"])})


def _from_here(name: str) -> Path:
    path, here = Path(name), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
