"""Training on the command line: fit, save, draw, report. Nothing that was learnt is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import typer

from elman._files import replace_file
from elman._json import dumps
from elman._signals import Interruptible, Uninterrupted
from elman.cli.evaluate import evaluate_estimator
from elman.cli.output import check_delivered, say, say_error, say_in_words
from elman.cli.parameters import by_options
from elman.cli.ranks import rank
from elman.cli.targets import Target, free_name

if TYPE_CHECKING:
    from elman.cli.evaluate import Estimator
    from elman.cli.request import Request
    from elman.datasets import Dataset
    from elman.training import Progress

Form: TypeAlias = Literal["plain", "quiet", "json"]


@dataclass
class Training:
    """An estimator, what it is trained on, and where model, learning curve and history go.

    Attributes
    ----------
    request : Request
        What is read, and what is written.
    dataset : Dataset
    estimator : BaseRNN
    resume : Path or None
        The checkpoint that is gone on from.
    validation : (X, y) or None
        What is watched.
    diagnoses : list of dict
        One an epoch, where they are wanted.
    seconds : float
        What fitting took.
    n_before : int
        Epochs that were complete before.
    has_ended : bool
        Whether it had ended before, so that nothing goes on.
    saved : str
        In words, what was saved and to where, for those who are interrupted.
    """

    request: Request
    dataset: Dataset
    estimator: Estimator
    resume: Path | None = None
    validation: tuple[Any, Any] | None = None
    diagnoses: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    n_before: int = 0
    has_ended: bool = False
    saved: str = ""

    def run(self, *, form: Form) -> None:
        """Do it all, and report in words, by the accuracy (or score) alone, or as one JSON object.

        Raises
        ------
        typer.Exit
            With 1 if it was interrupted, or if a file is not where it was to be.
        """
        from elman import DivergenceError
        from elman.cli import console  # noqa: F401 (rich)
        from elman.engines import get_engine

        get_engine(self.estimator.engine)  # here, as an import that is interrupted may go wrong
        self.validation = self.request.watched(self.dataset)
        if form == "plain":
            for line in (*self.dataset.found, self._plan()):
                say_in_words(line)
        model, curve = self.request.model, self.request.curve
        if form == "plain":
            if self.resume is None:
                model.say_if_replaced()
            else:
                say_in_words(self._way_back())
        try:
            with Interruptible():
                places = [self._fit_and_save(model, form)]
                if rank() > 0:  # the first saves, tests and reports
                    return
                if curve is not None:
                    from elman.cli.picture import draw_learning_curve

                    picture = draw_learning_curve(self.estimator, curve.path)
                    places.append(curve.save(partial(replace_file, content=picture)))
                self._report(form, *places)
        except KeyboardInterrupt:
            say_error("; ".join(["interrupted", *filter(None, [self.saved, self._way_on])]))
            raise typer.Exit(1) from None
        except DivergenceError as error:
            raise DivergenceError(f"{error} {self.saved}".strip()) from None
        except Exception:
            if self.saved:
                say_error(self.saved)
            raise
        if places != [target.path for target in (model, curve) if target is not None]:
            raise typer.Exit(1)

    @property
    def test_digest(self) -> str:
        """Which sequences are kept aside for the test: the same ones when it goes on."""
        from elman.data.digest import digest_of_test

        return digest_of_test(self.dataset.X_test, self.dataset.y_test)

    @property
    def _way_on(self) -> str:
        """What goes on with it, if anything does."""
        path = self.request.checkpoint
        return (
            f"to go on: elman resume {quote(str(path))}"
            if path is not None and path.exists()
            else ""
        )

    def _fit_and_save(self, model: Target, form: Form) -> Path:
        """Fit, and save the model; if fitting ends early, what was learnt till then."""
        from sklearn.utils._param_validation import InvalidParameterError

        from elman.cli.console import training_progress
        from elman.estimators import Checkpoint

        X, y = self.dataset.X_train, self.dataset.y_train
        path, every = self.request.checkpoint, self.request.every
        checkpoint = None
        if path is not None and self.resume is None:
            about = {**self.request.settings, "test": self.test_digest}
            checkpoint = Checkpoint(path, every, about)
        started = time.perf_counter()
        with Uninterrupted():  # from the end of fitting until it is saved
            try:
                with training_progress(form != "plain") as show, Interruptible():
                    self.estimator.fit(
                        X,
                        y,
                        callback=partial(
                            self._after_batch,
                            show,
                            History(self.request.log if rank() == 0 else None),
                            form,
                        ),
                        validation_data=self.validation,
                        checkpoint=checkpoint,
                        resume=self.resume,
                    )
            except InvalidParameterError as error:
                raise typer.BadParameter(by_options(str(error))) from None
            except BaseException as error:
                self._rescue(model, error)
                raise
            self.seconds = time.perf_counter() - started
            if rank() > 0:
                return model.path
            place = model.save(self.estimator._write)
            self.saved = f"the model is saved to {place}"
            return place

    def _after_batch(
        self,
        show: Callable[[Progress], None] | None,
        history: History,
        form: Form,
        progress: Progress,
    ) -> None:
        """Show how far it is; after an epoch, measure what is for a person alone, and write its row."""
        if form == "plain" and progress.update == 1 and progress.row is None:
            self._say_auto(progress)
        if show is not None:
            show(progress)
        row = progress.row
        if row is None:
            return
        if self.request.plot is not None:
            name = "test_accuracy" if progress.accuracy is not None else "test_score"
            row[name] = self.estimator.score(self.dataset.X_test, self.dataset.y_test)
        history.write(self.estimator.history_)
        if self.request.diagnose:
            from elman.cli.diagnose import diagnosis, in_words

            self.diagnoses.append(diagnosis(int(row["epoch"]), self.estimator, self.dataset))
            if form != "json":
                say(in_words(self.diagnoses[-1]), err=form == "quiet")

    def _rescue(self, model: Target, error: BaseException) -> None:
        """Save what complete epochs have come to. A model that is there already stays."""
        from elman import DivergenceError

        history = getattr(self.estimator, "history_", None)
        if history is None or rank() > 0:  # it did not begin, or the first saves
            return
        watched = [row.get("validation_score", -row["loss"]) for row in history]
        n_behind = watched.index(max(watched)) + 1 if watched else 0
        scored = self.estimator.early_stopping or self.validation is not None
        diverged = isinstance(error, DivergenceError)
        if diverged and not scored:
            n_behind -= 1  # the weights that epoch began with: its last update may have spoilt them
        if n_behind < 1:
            self.saved = "no epoch was complete; nothing is saved"
            if diverged:
                self.saved = "The last good weights are the first ones: nothing is saved."
            return
        path = replace(model, path=free_name(model.path)).save(self.estimator._write)
        self.saved = f"the weights after epoch {n_behind}, the best so far, are saved to {path}"
        if diverged:
            self.saved = f"The last good weights, after epoch {n_behind}, are saved to {path}."

    def _plan(self) -> str:
        """Say in a line what is going to be trained, and on how much."""
        estimator = self.estimator
        hidden, cell = estimator.hidden_layer_sizes, estimator.cell
        sizes = "+".join(map(str, hidden if isinstance(hidden, tuple) else (hidden,)))
        each = cell if isinstance(cell, tuple) else (cell,)
        cells = "+".join(one if isinstance(one, str) else type(one).__name__ for one in each)
        cells = f"bidirectional {cells}" if estimator.bidirectional else cells
        summed = "; loss summed over the steps of a sequence" if estimator._every_step else ""
        n = len(self.dataset.X_train)
        return (
            f"{n:,} sequence{'s' * (n != 1)}, {sizes} {cells} units, {estimator.solver} at "
            f"{estimator.learning_rate_init:g}, seed {estimator.random_state}{summed}"
        )

    def _way_back(self) -> str:
        """Say where a training that was interrupted goes on."""
        n = f"{self.n_before} epoch{'s' * (self.n_before != 1)}"
        if self.has_ended:
            return f"{self.resume}: this training had ended after {n}"
        return f"{self.resume}: {n} complete; training continues in epoch {self.n_before + 1}"

    def _say_auto(self, progress: Progress) -> None:
        """Say what ``"auto"`` has come to: how many epochs, which frames, how many networks."""
        if progress.n_updates is not None:
            n = progress.n_updates // progress.n_epochs
            say(f"{progress.n_epochs:,} epochs of {n:,} update{'s' * (n != 1)} (--epochs auto)")
        if self.estimator.frame == "auto" and (frame := self.estimator.frame_) is not None:
            say(f"frames of {frame[0]} samples every {frame[1]} (--frame auto)")
        if self.estimator.n_members == "auto" and (n := self.estimator.n_members_) > 1:
            say(f"{n} networks side by side, whose answers are averaged (--members auto)")

    def _report(self, form: Form, model: Path, curve: Path | None = None) -> None:
        """Test the model, and say what came out."""
        evaluation = evaluate_estimator(self.estimator, self.dataset.X_test, self.dataset.y_test)
        if form == "plain":
            from elman.cli.console import console, print_evaluation

            console.print()
            print_evaluation(evaluation, "test")
            say_in_words(self._summary())
            say(f"model: {model}" + (f"   learning curve: {curve}" if curve else ""))
            return
        if form == "quiet":
            say(f"{evaluation.get('accuracy', evaluation.get('score')):.4f}")
        else:
            result = {
                "source": self.request.source,
                "estimator": type(self.estimator).__name__,
                "params": self.estimator.get_params(),
                "seconds": self.seconds,
                "test": evaluation,
                "history": self.estimator.history_,
                "model": str(model),
                "plot": curve and str(curve),
            }
            if self.diagnoses:
                result["diagnoses"] = self.diagnoses
            say(dumps(result))
        check_delivered()

    def _summary(self) -> str:
        estimator = self.estimator
        n_epochs = estimator.n_iter_
        line = f"trained {n_epochs} epoch{'s' * (n_epochs != 1)}"
        if self.resume is None:
            line += f" in {self.seconds:.1f} s"
        elif not self.has_ended:
            n_now = n_epochs - self.n_before
            line += f", {self.n_before} of them before; the other {n_now} took {self.seconds:.1f} s"
        stopped = estimator.history_[-1].get("stopped")
        return f"{line}; {stopped}" if stopped else line


class History:
    """The history as lines of JSON, one an epoch, each there as soon as the epoch is complete.

    If they cannot be written, training goes on: the history is in the model too.

    Parameters
    ----------
    path : Path or None
        None writes nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._begun = False

    def write(self, history: list[dict[str, Any]]) -> None:
        """Write the last row; at first all, for a training that goes on has had others."""
        if self.path is None:
            return
        rows = history[-1:] if self._begun else history
        lines = [dumps({"epoch": row["epoch"], **row}) + "\n" for row in rows]
        try:
            with self.path.open("a" if self._begun else "w", encoding="utf-8") as stream:
                stream.writelines(lines)
        except OSError as error:
            say_error(f"error: {self.path} could not be written, and is not any more: {error}")
            self.path = None
        self._begun = True
