"""What both estimators share: their parameters, fitting, and model files."""

from __future__ import annotations

import os
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import isnan
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from elman._memory import require_memory
from elman._typing import Array
from elman.data import Examples, Sequences, Targets
from elman.data.labels import as_classes, checked_labels, refuse_other_kind
from elman.data.weights import cast_weights, check_weights, target_weights
from elman.engines import Engine, State, get_engine
from elman.engines.streaming import take_step
from elman.errors import DataError, DivergenceError
from elman.estimators.files import fitted_from, params_from, write_fitted
from elman.estimators.fitted import Fitted, FittedAttributes
from elman.estimators.hyperparameters import Hyperparameters, generator
from elman.estimators.inputs import InputFormat, as_fitted, first_format, standardization
from elman.network import Network
from elman.parameters import Architecture, initialize
from elman.persistence import Model, fitting_together, read_model
from elman.training import (
    Optimizer,
    Progress,
    Run,
    Trainer,
    constant,
    cosine,
    make_optimizer,
    train,
)
from elman.training.loop import Callback

AUTO_BATCH_SIZE = 64
# Of the parameters, in training: themselves, two for the products, two gradients, two of the
# optimizer, those of the best epoch and of the one before.
_COPIES = 9


class BaseRNN(FittedAttributes, Hyperparameters, metaclass=ABCMeta):
    """Fits a network to labelled sequences."""

    _every_step: ClassVar[bool]

    @abstractmethod
    def _labels(self, y: Any, sequences: Sequences) -> Array:
        """Check y and lay it out flat: a label a sequence, or one a step."""

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
            the sequence twice, and 0 as not having it. A tagger also takes a list of (n_timesteps,):
            steps at the end of a sequence that have weight 0 are as good as cut off, and others
            have no label.
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
        MemoryError
            If the network needs more memory than there is; nothing was taken yet.

        Warns
        -----
        ConvergenceWarning
            If a constant learning rate has not converged after ``max_iter`` epochs.
        """
        held_out = None
        examples, start = self._prepare(X, y, sample_weight, resume=self.warm_start)
        if self.early_stopping:
            examples, held_out = self._hold_out(examples)
        fitted = replace(start(examples), optimizer=self._make_optimizer())
        trainer = self._trainer(fitted, examples, examples.mean_weight)
        validate = None
        if held_out is not None:
            scaled = replace(held_out, sequences=fitted.scaled(held_out.sequences))
            validate = partial(self._accuracy, fitted, scaled)
        if self.learning_rate == "cosine":
            n_updates = self.max_iter * trainer.n_batches
            trainer.schedule = cosine(float(self.learning_rate_init), n_updates, self.warmup)

        self._fitted = fitted
        run = Run(fitted.history)
        weights = fitted.network.parameters.vector
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
        finally:  # an error's traceback may hold the engine for long
            trainer.engine.release()
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
        examples, start = self._prepare(X, y, sample_weight, resume=True, classes=classes)
        fitted = start(examples)
        if fitted.optimizer is None:  # the first call, or a model from a file
            fitted = replace(fitted, optimizer=self._make_optimizer())
        trainer = self._trainer(fitted, examples)
        self._fitted = fitted
        number = len(fitted.history) + 1
        try:
            fitted.history.append(trainer.epoch(number, number))
        except DivergenceError:
            fitted.optimizer = None  # its running means have diverged too
            raise
        finally:
            trainer.engine.release()
        return self

    # Steps of fitting

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, *, resume: bool, classes: Any = None
    ) -> tuple[Examples, Callable[[Examples], Fitted]]:
        """Check the input and encode the labels; nothing is set yet.

        The second is a function of the examples to learn from: what there is to begin with.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        before = self._fitted if resume and self.__sklearn_is_fitted__() else None
        if before is None:
            sequences, format = first_format(self, X)
        else:
            sequences = as_fitted(self, X, before.format, before.network.dtype)
        classes_before = None if before is None else before.classes
        examples = self._examples(y, sequences, sample_weight, classes_before)
        known = self._known_classes(examples, before, classes)
        if before and self._architecture(sequences, len(known)) != before.network.architecture:
            raise InvalidParameterError(
                "hidden_layer_sizes, cell and bias cannot change once training has begun: it goes on "
                f"with {before.network.architecture}. Set them back, or fit with warm_start=False."
            )
        examples = self._encoded(examples, known)
        if before is None:
            return examples, partial(self._begun, classes=known, format=format)
        return examples, lambda _: before.trainable()

    def _known_classes(self, examples: Examples, before: Fitted | None, classes: Any) -> Array:
        """All labels there are, in ascending order; those of y have to be among them."""
        present = np.unique(examples.targets.values[examples.targets.present])
        known = before.classes if before else present
        if classes is not None:
            given = np.unique(as_classes(classes, "classes"))
            refuse_other_kind(present, given)
            if before and not np.array_equal(given, known):
                raise ValueError(f"classes={classes} are not those of the first call: {known}")
            known = given
        unseen = np.setdiff1d(present, known)
        if len(unseen):
            raise DataError(
                f"y has labels that are not among the classes {known.tolist()}: "
                f"{unseen.tolist()}. Name all classes at the first partial_fit, or fit anew."
            )
        return known

    def _examples(
        self, y: Any, sequences: Sequences, sample_weight: Any, known: Array | None = None
    ) -> Examples:
        """Check labels and weights, against classes known already; what has weight 0 is left out."""
        labels = self._labels(y, sequences)
        weights = target_weights(sample_weight, sequences, self._every_step)
        examples = Examples(sequences, Targets(labels, weights, self._every_step)).present()
        examples = examples.with_targets(checked_labels(examples.targets))
        labels = examples.targets.values[examples.targets.present]
        if known is not None:
            refuse_other_kind(labels, known)
        check_classification_targets(labels)
        return examples

    def _encoded(self, examples: Examples, classes: Array) -> Examples:
        """Turn labels into codes 0 … K - 1, and multiply their weights by those of the classes."""
        has_label = examples.targets.present
        labels = examples.targets.values[has_label]
        targets = examples.targets.with_values(np.searchsorted(classes, labels))
        weights = targets.weights
        if self.class_weight is not None:
            # Of classes known from before, some may have no examples now.
            among = np.unique(labels) if self.class_weight == "balanced" else classes
            of_classes = compute_class_weight(
                self.class_weight,
                classes=among,
                y=labels,
                sample_weight=weights[has_label],
            )
            of_classes = check_weights(of_classes, "class_weight")
            weights = weights.copy()
            weights[has_label] *= of_classes[np.searchsorted(among, labels)]
        return examples.with_targets(replace(targets, weights=weights)).present()

    def _begun(self, examples: Examples, classes: Array, format: InputFormat) -> Fitted:
        """Draw a new network, and learn mean and deviation of the inputs."""
        sequences = examples.sequences
        D, dtype = sequences.n_features, sequences.values.dtype
        rng = generator(self.random_state)
        mean, scale = np.zeros(D, dtype), np.ones(D, dtype)
        if self.standardize:
            weights = examples.targets.weights
            if not self._every_step:
                weights = np.repeat(weights, sequences.lengths)
            mean, scale = standardization(sequences, weights / weights.max())
        architecture = self._architecture(sequences, len(classes))
        require_memory(
            _COPIES * architecture.n_parameters * dtype.itemsize,
            f"training {architecture.n_parameters:,} parameters",
        )
        parameters = initialize(architecture, rng, dtype)
        network = Network.from_parameters(parameters, self._make_engine())
        return Fitted(network, mean, scale, classes, format, rng)

    def _architecture(self, sequences: Sequences, n_classes: int) -> Architecture:
        D = sequences.n_features
        try:
            return Architecture.of(
                D, self.hidden_layer_sizes, self.cell, n_classes, bool(self.bias)
            )
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

    def _trainer(self, fitted: Fitted, examples: Examples, mean_weight: float = 1.0) -> Trainer:
        """Make a trainer; weights count relative to ``mean_weight``, so that 2 is having two."""
        assert fitted.optimizer is not None
        sequences = fitted.scaled(examples.sequences)
        weights = cast_weights(examples.targets.weights / mean_weight, sequences.values.dtype)
        return Trainer(
            self._make_engine(),
            fitted.network.parameters,
            Examples(sequences, replace(examples.targets, weights=weights)),
            optimizer=fitted.optimizer,
            schedule=constant(float(self.learning_rate_init)),
            batch_size=AUTO_BATCH_SIZE if self.batch_size == "auto" else self.batch_size,
            rng=fitted.rng,
            shuffle=self.shuffle,
            alpha=float(self.alpha) / mean_weight,
            max_norm=self.clip_norm and float(self.clip_norm),
        )

    def _hold_out(self, examples: Examples) -> tuple[Examples, Examples]:
        """Keep a fraction of the sequences aside, of each class alike where a sequence has one."""
        try:
            kept, held_out = train_test_split(
                np.arange(len(examples.sequences)),
                test_size=self.validation_fraction,
                random_state=check_random_state(self.random_state),
                stratify=None if self._every_step else examples.targets.values,
            )
        except ValueError as error:
            raise DataError(
                f"early_stopping cannot keep a validation_fraction of {self.validation_fraction} of "
                f"{len(examples.sequences)} sequences aside: {error}"
            ) from None
        return examples.take(kept), examples.take(held_out)

    def _accuracy(self, fitted: Fitted, examples: Examples) -> float:
        """Share of right answers, each by its weight."""
        y_hat = self._network(fitted).predict_flat(examples.sequences, every_step=self._every_step)
        return examples.targets.mean(y_hat.argmax(axis=1) == examples.targets.values)

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

    def _checked(self, X: Any) -> tuple[Fitted, Sequences]:
        """Check X against what the estimator was fitted on; it is not standardised yet."""
        fitted = self._state
        return fitted, as_fitted(self, X, fitted.format, fitted.network.dtype)

    def _probabilities(self, X: Any) -> tuple[Fitted, Array, Sequences]:
        """Check X and compute ŷ flat: a row a sequence, or a row a step."""
        fitted, sequences = self._checked(X)
        return fitted, self._y_hat(fitted, fitted.scaled(sequences)), sequences

    def _y_hat(self, fitted: Fitted, sequences: Sequences) -> Array:
        """Compute ŷ flat, and refuse to answer where it is no number."""
        y_hat = self._network(fitted).predict_flat(sequences, every_step=self._every_step)
        is_nan = np.isnan(y_hat[:, 0])  # a softmax has only numbers, or none
        if is_nan.any():
            row = int(is_nan.argmax())
            place = sequences.locate(row) if self._every_step else f"sequence {row}"
            raise _overflow(f" at {place} of X", fitted.network.dtype)
        return y_hat

    def _network(self, fitted: Fitted) -> Network:
        # engine and n_jobs may have changed since fitting
        return Network.from_parameters(fitted.network.parameters, self._make_engine())

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the share of right answers, each by its weight.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        float

        Raises
        ------
        DataError, ValueError
            If X, y or the weights are not as in ``fit``.
        """
        fitted, sequences = self._checked(X)
        examples = self._examples(y, sequences, sample_weight, fitted.classes)
        y_hat = self._y_hat(fitted, fitted.scaled(examples.sequences))
        answers = fitted.classes[y_hat.argmax(axis=1)]
        return examples.targets.mean(answers == examples.targets.values)

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
        fitted, engine = self._state, self._make_engine()
        return engine.initial_state(
            fitted.network.parameters,
            n_sequences,
            fitted.mean,
            fitted.scale,
            fitted.format.step_names,
        )

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
        TypeError
            If ``state`` is no state.
        """
        probabilities, after = take_step(x_t, state)
        of_one = probabilities.ndim == 1
        if isnan(probabilities.item(0)) if of_one else np.isnan(probabilities[:, 0]).any():
            raise _overflow("", probabilities.dtype)
        return probabilities, after

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
        write_fitted(path, type(self).__name__, self.get_params(), self._state)

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
            return cls._of_model(model)

    @classmethod
    def _of_model(cls, model: Model) -> Self:
        """Put an estimator together again from what a model file holds of it."""
        estimator = cls(**params_from(model))
        rng = generator(estimator.random_state)
        estimator._fitted = fitted_from(model, estimator._make_engine(), rng)
        return estimator


def _overflow(where: str, dtype: np.dtype[Any]) -> DataError:
    return DataError(
        f"the network's numbers overflow {dtype}{where}: there is no answer. The weights or the inputs "
        "are too large. Train it again with a lower learning rate, or on scaled data."
    )
