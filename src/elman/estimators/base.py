"""What both estimators share: their parameters, fitting, and model files."""

from __future__ import annotations

import os
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from elman._typing import Array
from elman.data import Sequences
from elman.data.sequences import check_weights
from elman.engines import Engine, State, get_engine
from elman.errors import DataError, DivergenceError
from elman.estimators.files import estimator_from, write_estimator
from elman.estimators.hyperparameters import Hyperparameters, generator
from elman.estimators.inputs import check_sequences, standardization, standardized
from elman.network import Network
from elman.parameters import Architecture, initialize
from elman.persistence import fitting_together, read_model
from elman.training import (
    Examples,
    Optimizer,
    Progress,
    Run,
    Trainer,
    constant,
    cosine,
    make_optimizer,
    train,
)
from elman.training.loop import Callback, Row

AUTO_BATCH_SIZE = 64


class BaseRNN(Hyperparameters, metaclass=ABCMeta):
    """Fits a network to labelled sequences."""

    _every_step: ClassVar[bool]

    # What a label is, and how it is weighted, is the subclass's.

    @abstractmethod
    def _check_labels(self, y: Any, sequences: Sequences) -> Array:
        """Check y and lay it out flat: a label a sequence, or one a step."""

    @abstractmethod
    def _check_weights(self, sample_weight: Any, sequences: Sequences) -> Array:
        """Check weights and lay them out as the labels are."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, callback: Callback | None = None
    ) -> Self:
        """Fit the network to labelled sequences.

        If it is interrupted (Ctrl-C), or diverges, the error goes on to the caller, but the
        estimator is fitted: it has the weights of the best complete epoch, or, before one is
        complete, those it had come to (interrupted) or begun with (diverged). If the input is
        refused, or it is interrupted before training begins, the estimator is left as it was.

        Parameters
        ----------
        X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
            Sequences. Or an array (n_samples, n_columns): each row is one sequence, unfolded
            ``step_size`` columns a step.
        y : array (n_samples,) for a classifier; list of (n_timesteps,) for a tagger
            Labels: numbers or text.
        sample_weight : array (n_samples,), optional
            What multiplies each sequence's loss, relative to the mean weight: 2 is the same as having
            the sequence twice. A tagger also takes a list of (n_timesteps,).
        callback : callable, optional
            Called with an ``elman.Progress`` after each batch, and once more after each epoch, with
            its ``row`` of the history. What it returns does not matter; an exception ends training
            as Ctrl-C does.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError
            If X, y or the weights are not as above.
        DivergenceError
            If a loss or gradient is not finite.

        Warns
        -----
        ConvergenceWarning
            If a constant learning rate has not converged after ``max_iter`` epochs.
        """
        held_out = None
        with self._unchanged_unless_accepted():
            examples = self._prepare(X, y, sample_weight, resume=self.warm_start)
            if self.early_stopping:
                examples, held_out = self._hold_out(examples)
            mean_weight = examples.mean_weight  # of those to learn from
            if mean_weight <= 0:
                raise DataError("all sample weights are zero; there is nothing to learn from.")
            if not self._is_begun():
                self._begin(examples)
            self._optimizer = self._make_optimizer()
            trainer = self._trainer(examples, mean_weight)
            validate = (
                None if held_out is None else partial(self._accuracy, self._standardized(held_out))
            )
        if self.learning_rate == "cosine":
            n_updates = self.max_iter * trainer.n_batches
            trainer.schedule = cosine(float(self.learning_rate_init), n_updates, self.warmup)

        run = Run(self.history_)
        weights = self.network_.parameters.vector
        try:
            train(
                trainer,
                run,
                self.max_iter,
                validate=validate,
                tol=self.tol,
                n_iter_no_change=self.n_iter_no_change,
                callback=self._reporting(callback),
            )
        except DivergenceError:
            if run.safe is not None:
                weights[...] = run.safe.vector
            raise
        except BaseException:  # Ctrl-C, or what the callback raised
            if run.best is not None:
                weights[...] = run.best.vector
            raise
        if self.early_stopping and run.best is not None:
            weights[...] = run.best.vector
        if self.learning_rate == "constant" and not run.converged:
            warnings.warn(
                f"{type(self).__name__} had not converged after max_iter={self.max_iter} epochs. "
                'Raise max_iter, or let the learning rate decay (learning_rate="cosine").',
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go over the sequences once, from where the last call ended.

        The learning rate is constant, ``learning_rate_init``. Mean and deviation for standardising
        are those of the first call. Weights count as they are, not relative to a mean.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array (n_classes,)
            All labels there will ever be. Needed at the first call, where y may lack some.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, DivergenceError
            As ``fit`` does; also if y has labels that are not in ``classes``.
        """
        if self.early_stopping:
            raise ValueError("partial_fit cannot keep sequences aside; set early_stopping=False.")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all labels at once, and partial_fit sees a part. "
                "Give the weights as a dict, or as sample_weight."
            )
        with self._unchanged_unless_accepted():
            examples = self._prepare(X, y, sample_weight, resume=True, classes=classes)
            if not self._is_begun():
                self._begin(examples)
            if not hasattr(self, "_optimizer"):  # the first call, or a model from a file
                self._optimizer = self._make_optimizer()
            trainer = self._trainer(examples)
        number = len(self.history_) + 1
        try:
            self.history_.append(trainer.epoch(number, number))
        except DivergenceError:
            del self._optimizer  # its running means have diverged too
            raise
        return self

    # Steps of fitting

    @contextmanager
    def _unchanged_unless_accepted(self) -> Iterator[None]:
        """Undo what checking the input has set if it is refused in the end, or Ctrl-C comes first."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, *, resume: bool, classes: Any = None
    ) -> Examples:
        """Check the input and encode the labels; begin anew unless it is to be resumed."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        resume = resume and self._is_begun()
        sequences = check_sequences(self, X, reset=not resume)
        labels = self._check_labels(y, sequences)
        weights = self._check_weights(sample_weight, sequences)
        present = np.unique(labels)
        if not resume:
            self.__dict__.pop("network_", None)
            self.classes_ = present if classes is None else np.unique(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes} are not those of the first call: {self.classes_}")
        elif self._architecture(sequences) != self.network_.architecture:
            raise InvalidParameterError(
                "hidden_layer_sizes, cell and bias cannot change once training has begun: it goes on "
                f"with {self.network_.architecture}. Set them back, or fit with warm_start=False."
            )
        unseen = np.setdiff1d(present, self.classes_)
        if len(unseen):
            raise DataError(
                f"y has labels that are not among the classes {self.classes_.tolist()}: "
                f"{unseen.tolist()}. Name all classes at the first partial_fit, or fit anew."
            )
        codes = np.searchsorted(self.classes_, labels)
        if self.class_weight is not None:
            of_classes = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
            weights = weights * check_weights(of_classes, "class_weight")[codes]
        dtype = sequences.values.dtype
        return Examples(sequences, codes, weights.astype(dtype), self._every_step)

    def _is_begun(self) -> bool:
        return hasattr(self, "network_")

    def _begin(self, examples: Examples) -> None:
        """Draw a new network, and learn mean and deviation of the inputs."""
        sequences = examples.sequences
        self._rng = generator(self.random_state)
        weights = examples.weights
        if not self._every_step:
            weights = np.repeat(weights, sequences.lengths)
        self.mean_ = np.zeros(sequences.n_features, sequences.values.dtype)
        self.scale_ = np.ones(sequences.n_features, sequences.values.dtype)
        if self.standardize and weights.any():
            self.mean_, self.scale_ = standardization(sequences, weights)
        self.network_ = Network.from_parameters(
            initialize(self._architecture(sequences), self._rng, sequences.values.dtype),
            self._make_engine(),
        )
        self.history_: list[Row] = []
        self.__dict__.pop("_optimizer", None)

    def _architecture(self, sequences: Sequences) -> Architecture:
        D, K = sequences.n_features, len(self.classes_)
        try:
            return Architecture.of(D, self.hidden_layer_sizes, self.cell, K, bool(self.bias))
        except ValueError as error:
            raise InvalidParameterError(f"hidden_layer_sizes and cell: {error}") from None

    def _make_engine(self) -> Engine:
        return get_engine(self.engine, self.n_jobs)

    def _make_optimizer(self) -> Optimizer:
        return make_optimizer(
            self.solver,
            momentum=float(self.momentum),  # a NumPy number would bring its own precision
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
        )

    def _trainer(self, examples: Examples, mean_weight: float = 1.0) -> Trainer:
        return Trainer(
            self._make_engine(),
            self.network_.parameters,
            self._standardized(examples),
            optimizer=self._optimizer,
            schedule=constant(float(self.learning_rate_init)),
            batch_size=AUTO_BATCH_SIZE if self.batch_size == "auto" else self.batch_size,
            rng=self._rng,
            shuffle=self.shuffle,
            alpha=float(self.alpha),
            max_norm=self.clip_norm and float(self.clip_norm),
            mean_weight=mean_weight,
        )

    def _hold_out(self, examples: Examples) -> tuple[Examples, Examples]:
        """Keep a fraction of the sequences aside, of each class alike where a sequence has one."""
        try:
            kept, held_out = train_test_split(
                np.arange(len(examples.sequences)),
                test_size=self.validation_fraction,
                random_state=check_random_state(self.random_state),
                stratify=None if self._every_step else examples.labels,
            )
        except ValueError as error:
            raise DataError(
                f"early_stopping cannot keep a validation_fraction of {self.validation_fraction} of "
                f"{len(examples.sequences)} sequences aside: {error}"
            ) from None
        return examples.take(kept), examples.take(held_out)

    def _standardized(self, examples: Examples) -> Examples:
        return replace(examples, sequences=self._scaled(examples.sequences))

    def _scaled(self, sequences: Sequences) -> Sequences:
        values = sequences.values.astype(self.network_.dtype, copy=False)
        return standardized(replace(sequences, values=values), self.mean_, self.scale_)

    def _accuracy(self, examples: Examples) -> float:
        """Share of right answers, each by its weight."""
        y_hat = self._y_hat(examples.sequences)
        right = y_hat.argmax(axis=1) == examples.labels
        return float(
            np.average(right, weights=examples.weights if examples.weights.any() else None)
        )

    def _reporting(self, callback: Callback | None) -> Callback | None:
        if not self.verbose:
            return callback

        def report(progress: Progress) -> None:
            if progress.row is not None:
                print(progress)
            if callback is not None:
                callback(progress)

        return report

    # Answers

    def _probabilities(self, X: Any) -> tuple[Array, Sequences]:
        """Check X and compute ŷ flat: a row a sequence, or a row a step."""
        check_is_fitted(self, "network_")
        sequences = check_sequences(self, X, reset=False)
        return self._y_hat(self._scaled(sequences)), sequences

    def _y_hat(self, sequences: Sequences) -> Array:
        # engine and n_jobs may have changed since fitting
        network = Network.from_parameters(self.network_.parameters, self._make_engine())
        return network.predict_flat(sequences, every_step=self._every_step)

    def initial_state(self, n_sequences: int | None = None) -> State:
        """Begin to go through sequences step by step, as their steps come in.

        Parameters
        ----------
        n_sequences : int, optional
            How many go side by side. Left out, it is one, and steps and answers have no axis for it.

        Returns
        -------
        State
            To be given to ``step``. Fitting anew does not reach it: it goes on as it began.

        Raises
        ------
        NotFittedError
            If there is nothing to go through them with yet.

        Examples
        --------
        >>> import numpy as np
        >>> from elman import RNNClassifier
        >>> X = np.random.default_rng(0).standard_normal((50, 10, 2)).cumsum(axis=1)
        >>> model = RNNClassifier(8, random_state=0).fit(X, X[:, -1, 0] > 0)
        >>> state = model.initial_state()
        >>> for x_t in X[0]:
        ...     probabilities, state = model.step(x_t, state)
        >>> bool((probabilities == model.predict_proba(X[:1])[0]).all())
        True
        """
        check_is_fitted(self, "network_")
        engine, parameters = self._make_engine(), self.network_.parameters
        return engine.initial_state(parameters, n_sequences, self.mean_, self.scale_)

    def step(self, x_t: npt.ArrayLike, state: State) -> tuple[Array, State]:
        """Take one step.

        Parameters
        ----------
        x_t : array (n_features,), or (n_sequences, n_features)
            The features of the step, for each of the sequences that the state is of.
        state : State
            From ``initial_state``, or from the step before. It is left as it was, and answers by the
            model that it came from.

        Returns
        -------
        probabilities : array (n_classes,), or (n_sequences, n_classes)
            If the sequences ended here: those of ``predict_proba``, with the compiled engine to the
            bit.
        state : State

        Raises
        ------
        DataError
            If x_t does not have that shape, or is not finite, or overflows on standardising.
        """
        return state.step(x_t)

    # What training came to, under scikit-learn's names

    @property
    def n_iter_(self) -> int:
        """The number of epochs."""
        return len(self.history_)

    @property
    def loss_curve_(self) -> list[float]:
        """The mean loss of each epoch."""
        return [row["loss"] for row in self.history_]

    @property
    def loss_(self) -> float:
        """The mean loss of the last epoch."""
        return self.loss_curve_[-1] if self.history_ else np.nan

    @property
    def best_loss_(self) -> float:
        """The lowest mean loss of an epoch."""
        return min(self.loss_curve_, default=np.nan)

    @property
    def validation_scores_(self) -> list[float] | None:
        """The accuracy on held-out sequences after each epoch, with ``early_stopping``."""
        scores = [row["validation_score"] for row in self.history_ if "validation_score" in row]
        return scores or None

    @property
    def best_validation_score_(self) -> float | None:
        """The highest of ``validation_scores_``."""
        return max(self.validation_scores_) if self.validation_scores_ else None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a model file (safetensors), replacing what is there at once.

        A ``random_state`` that is a generator, ``n_jobs``, and the optimizer's state are not stored.

        Raises
        ------
        NotFittedError
            If there is nothing to save yet.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        check_is_fitted(self, "network_")
        write_estimator(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a fitted estimator from a model file. No code runs.

        Raises
        ------
        ModelFileError
            If the file is damaged, altered, foreign, or holds something else.
        OSError
            If there is no such file, or it cannot be read.
        """
        model = read_model(path, kind=cls.__name__)
        with fitting_together(path):
            return estimator_from(cls, model)
