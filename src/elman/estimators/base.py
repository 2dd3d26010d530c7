"""Fitting, which all estimators share."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError

from elman._typing import Array
from elman.data import Examples
from elman.data.weights import cast_weights
from elman.engines import get_engine
from elman.equations.dropout import Dropout
from elman.errors import DivergenceError, warn
from elman.estimators.advice import unlearnt
from elman.estimators.checkpoint import (
    Checkpoint,
    Keeper,
    Origin,
    Resumed,
    checkpoint_for,
    digests_of,
)
from elman.estimators.facts import facts, of_data, outcome
from elman.estimators.fitted import Fitted
from elman.estimators.holding_out import split
from elman.estimators.preparing import Preparing
from elman.estimators.reporting import reporting
from elman.estimators.representation import Represented
from elman.merging import Members
from elman.mpi import rank, taking_part, together
from elman.training import (
    Callback,
    Optimizer,
    Run,
    Trainer,
    batch_size_of,
    constant,
    cosine,
    epochs_of,
    make_optimizer,
    train,
)


class BaseRNN(Represented, Preparing):
    """Fits a network to sequences and their targets."""

    def _strata(self, examples: Examples) -> Array | None:
        """The classes to divide alike if sequences are held out, or None."""
        return None

    @_fit_context(prefer_skip_nested_validation=True)
    @together
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        callback: Callback | None = None,
        validation_data: Any = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Fit the network to sequences and their targets.

        If training is interrupted (Ctrl-C) or diverges, ``fit`` raises the error, but the estimator is
        fitted: it has the weights of the best complete epoch. Before one is complete, it has its
        present weights (interrupted) or its first ones (diverged). If the input is refused, or it is
        interrupted before training begins, the estimator does not change.

        Parameters
        ----------
        X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
            Sequences. Or an array (n_samples, n_columns): each row is a sequence, with ``step_size``
            columns for each step. Or texts (each character is a step) or lists of words (``tokens``).
            Data of more than 64 MiB are not copied: each batch takes what it needs from memory, or from
            the file (``np.memmap``, ``read_sequences``). A file is shuffled in blocks of 1 MiB, and the
            sequences within 64 MiB of blocks. The network computes in the type of X, float32 or
            float64; other numbers, as integers are, become float64.
        y : array (n_samples,), or list of (n_timesteps,) where each step is answered
            Labels: numbers or text. As labels of steps, a text has a label in each character. A
            regressor takes numbers; if there are several for each answer, arrays have one more axis.
        sample_weight : array (n_samples,), optional
            Multiplies each sequence's loss, relative to the mean weight: 2 is the same as having the
            sequence twice, and 0 as not having it. If each step is answered, also a list of
            (n_timesteps,): a step of weight 0 has no target, and at the end of a sequence it is cut
            off.
        callback : callable, optional
            Called with an ``elman.Progress`` after each batch, and again after each epoch, then with
            the epoch's ``row`` of the history. An exception in it ends training as Ctrl-C does.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Sequences to watch instead of a ``validation_fraction``. Training ends with the weights that
            have the best score on these, also without ``early_stopping``.
        checkpoint : path or Checkpoint, optional
            A file to which training is saved at the end of each epoch, so that it can be resumed after
            a crash: a model file that also has the optimizer, the random generator, the best weights so
            far and so on. An ``elman.Checkpoint`` says how often to write it. After training the file
            holds the fitted estimator.
        resume : path, optional
            A checkpoint to resume from, on the same data and with the same parameters (``verbose``,
            ``warm_start``, ``n_jobs`` and ``checkpoint_steps`` may differ). The result has the same
            bits as without the interruption. The same file is written to, unless ``checkpoint`` names
            another. If that training had ended, the result is its fitted estimator.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError
            If X, y or the weights are not as above.
        DivergenceError
            If training diverges again and again, even with lower learning rates. The last good
            weights are kept.
        MemoryError
            If the network needs more memory than there is; no memory was taken yet.
        OSError
            If ``checkpoint`` cannot be written, or exists already and is not resumed from; if
            ``resume`` cannot be read.
        ModelFileError
            If ``resume`` is damaged, is not a checkpoint, or is that of another kind of estimator.

        Warns
        -----
        ConvergenceWarning
            If after 100 updates or more the final loss is hardly below that of guessing (the warning
            says what to try); if y has one class only; or if, with a constant learning rate,
            ``n_iter_no_change`` has not stopped training after ``max_iter`` epochs.
        """
        resumed = None if resume is None else Resumed(resume, self)
        target = checkpoint_for(checkpoint, resumed)
        before = self._begun if self.warm_start else None
        if resumed is not None:
            before = resumed.fitted(self._answers, self._make_engine())
        prepared = self._prepare(X, y, sample_weight, before)
        if before and not resumed and self.n_members not in ("auto", M := before.n_members):
            raise InvalidParameterError(
                f"n_members={self.n_members} cannot change once training has begun: it goes on with "
                f"{M}. Set it to {M} or 'auto', or fit with warm_start=False."
            )
        examples, held_out = prepared.examples, None
        if validation_data is not None:
            held_out = self._given_aside(validation_data, prepared)
        ranks = taking_part()
        data = {} if target is None and ranks is None else digests_of(examples, held_out)
        if ranks is not None:
            ranks.compare(of_data(data))
        if resumed is not None:
            resumed.require_data(data)
        parts = None if resumed is None else resumed.parts
        if held_out is None and self.early_stopping:
            parts = parts or self._parts(examples)
            examples, held_out = (examples.take(part) for part in parts)
        if held_out is not None:
            prepared.answers.require_score(held_out.targets)
        n_members = None if resumed is None else resumed.n_members
        fitted, members = self._begin(
            before, examples, prepared.answers, prepared.format, n_members
        )
        optimizer = (resumed and fitted.optimizer) or self._make_optimizer()
        fitted = replace(fitted, optimizer=optimizer if len(members.each) == 1 else None)
        trainer = self._trainer(fitted, members, optimizer, examples, examples.mean_weight)
        validate = None
        if held_out is not None:
            validate = partial(self._score, fitted, fitted.prepared(held_out))
        n_epochs = epochs_of(self.max_iter, trainer.n_batches)
        n_updates = n_epochs * trainer.n_batches
        if self.max_iter == "auto":
            trainer.budget = n_updates
        if self.learning_rate == "cosine":
            trainer.schedule = cosine(float(self.learning_rate_init), n_updates, self.warmup)
        run, n_before, keep = Run(fitted.history), len(fitted.history), None
        if resumed is not None:
            resumed.go_on(trainer, run)
        if target is not None and rank() == 0:  # all ranks have the same result
            origin = Origin(type(self).__name__, self.get_params(), fitted, data, parts)
            keep = Keeper(target, origin, trainer, run)

        self._fitted = fitted
        try:
            with reporting(self.verbose, callback) as report:
                train(
                    trainer,
                    run,
                    n_epochs,
                    validate=validate,
                    tol=self.tol,
                    n_iter_no_change=self.n_iter_no_change,
                    callback=report,
                    keep=keep,
                )
            if ranks is not None:  # rank 0 has written the file, and others may read it now
                ranks.compare(outcome(trainer))
        finally:  # an error's traceback may hold the engine for long
            fitted.saw(len(examples.sequences), len(fitted.history) - n_before)
            trainer.engine.release()
        if (complaint := self._complaint(trainer, run)) and rank() == 0:
            warn(f"{type(self).__name__} {complaint}", ConvergenceWarning)
        return self

    @together
    def _fit_part(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """Go over the sequences once, from where the last call ended (``partial_fit``)."""
        if self.early_stopping:
            raise ValueError("partial_fit cannot keep sequences aside; set early_stopping=False.")
        before = self._begun
        prepared = self._prepare(X, y, sample_weight, before, classes)
        examples = prepared.examples
        if (ranks := taking_part()) is not None:
            ranks.compare(of_data(digests_of(examples, None)))
        fitted, members = self._begin(before, examples, prepared.answers, prepared.format, 1)
        if fitted.optimizer is None:  # the first call, or a model from a file
            fitted = replace(fitted, optimizer=self._make_optimizer())
        elif type(fitted.optimizer) is not type(self._make_optimizer()):
            raise InvalidParameterError(
                f"solver={self.solver!r} cannot continue what {type(fitted.optimizer).__name__} began, "
                "because partial_fit uses its running means. Set it back, or call fit with "
                "warm_start=True, which starts with a new optimizer."
            )
        assert fitted.optimizer is not None
        trainer = self._trainer(fitted, members, fitted.optimizer, examples)
        self._fitted = fitted
        n_before = len(fitted.history)
        try:
            train(trainer, Run(fitted.history), 1)
        except DivergenceError:
            fitted.optimizer = None  # its running means have diverged too
            raise
        finally:
            fitted.saw(len(examples.sequences), len(fitted.history) - n_before)
            trainer.engine.release()
        return self

    # Steps of fitting

    @property
    def _begun(self) -> Fitted | None:
        """What an earlier training has left to continue from, or None."""
        return self._fitted if self.__sklearn_is_fitted__() else None

    def _make_optimizer(self) -> Optimizer:
        return make_optimizer(
            self.solver,
            momentum=float(self.momentum),  # a NumPy number would bring its own precision
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
        )

    def _trainer(
        self,
        fitted: Fitted,
        members: Members,
        optimizer: Optimizer,
        examples: Examples,
        mean_weight: float = 1.0,
    ) -> Trainer:
        """Make a trainer. Weights are divided by ``mean_weight``, so a weight of 2 means two copies."""
        prepared, dtype = fitted.prepared(examples), fitted.network.dtype
        targets = fitted.answers.scaled(examples.targets, dtype)
        weights = cast_weights(targets.weights / mean_weight, dtype)
        ranks = taking_part()
        trainer = Trainer(
            get_engine(self.engine, self.n_jobs, self.checkpoint_steps, ranks),
            members,
            prepared.with_targets(replace(targets, weights=weights)),
            optimizer=optimizer,
            schedule=constant(float(self.learning_rate_init)),
            batch_size=batch_size_of(self.batch_size, len(prepared.sequences)),
            rng=fitted.rng,
            shuffle=self.shuffle,
            alpha=float(self.alpha) / mean_weight,
            max_norm=self.clip_norm and float(self.clip_norm),
            dropout=self._dropout(fitted.rng),
            recurrent_rate=float(self.recurrent_rate),
            tbptt_steps=self.tbptt_steps,
        )
        if ranks is not None:
            ranks.compare(facts(self, fitted, trainer))
        return trainer

    def _dropout(self, rng: np.random.Generator) -> Dropout | None:
        """The dropout, or None. A seed is drawn only if there is dropout."""
        rates = float(self.dropout), float(self.recurrent_dropout)
        return Dropout(*rates, seed=int(rng.integers(2**63)), update=0) if any(rates) else None

    def _parts(self, examples: Examples) -> tuple[Array, Array]:
        """Choose which sequences are kept, and which held out; of each class the same share, if any."""
        return split(
            len(examples.sequences),
            self.validation_fraction,
            self.random_state,
            self._strata(examples),
            self._fewest_to_score(),
        )

    def _score(self, fitted: Fitted, examples: Examples) -> float:
        """Score encoded examples whose sequences are, or become batch by batch, the network's input."""
        if examples.front_end is None:
            network, made = self._network(fitted), examples.sequences
            y_hat = network.predict_flat(made, every_step=self._every_step)
        else:
            parts = self._flat(fitted, examples.sequences)
            y_hat = np.concatenate([fitted.answers.reduced(part) for part in parts])
        return fitted.answers.score(examples.targets, y_hat)

    def _fewest_to_score(self) -> int:
        """The smallest number of sequences that a score needs."""
        return 1

    def _complaint(self, trainer: Trainer, run: Run) -> str:
        """A warning about a training that has ended; usually ""."""
        if complaint := unlearnt(
            trainer,
            run,
            tol=self.tol,
            cell=self.cell,
            readout=None if self._every_step else self._readout,
            frame=self._state.front_end.frame,
        ):
            return complaint
        if self.learning_rate == "constant" and self.n_iter_no_change and not run.converged:
            return (
                f"had not converged after {len(run.history)} epochs. Set max_iter to more, or let the "
                'learning rate decay (learning_rate="cosine").'
            )
        return ""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compare answers with targets, each by its weight.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float
            For a classifier or tagger the share of right answers. For a regressor R², as a mean over
            the numbers of an answer; for quantiles D², which is the same with the pinball loss.

        Raises
        ------
        DataError, ValueError
            If X, y or the weights are not as in ``fit``.
        """
        fitted, sequences = self._checked(X)
        examples = self._examples(y, sequences, sample_weight, fitted.answers)
        y_hat = self._y_hat(fitted, examples.sequences, reduced=True)
        return fitted.answers.score(fitted.answers.encoded(examples.targets), y_hat)
