"""Predictions: for whole sequences, or step by step as the steps come in."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from elman._typing import Array
from elman.data import Sequences
from elman.data.arrays import all_finite
from elman.engines import Engine, State, get_engine
from elman.engines.carry import Carry
from elman.engines.streaming import Streams
from elman.errors import DataError
from elman.estimators.fitted import Fitted, FittedAttributes
from elman.estimators.hyperparameters import Hyperparameters
from elman.estimators.inputs import as_fitted
from elman.estimators.streaming import begin, with_vocabulary
from elman.network import Network


class Predicting(FittedAttributes, Hyperparameters):
    """The predictions of a fitted estimator."""

    _every_step: ClassVar[bool]

    def _make_engine(self) -> Engine:
        return get_engine(self.engine, self.n_jobs, self.checkpoint_steps)

    def _network(self, fitted: Fitted) -> Network:
        # engine and n_jobs may have changed since fitting
        return Network.from_parameters(fitted.network.parameters, self._make_engine())

    def _checked(self, X: Any) -> tuple[Fitted, Sequences]:
        """Check X against what the estimator was fitted on; the front end comes later."""
        fitted = self._state
        return fitted, as_fitted(self, X, fitted.format, fitted.network.dtype)

    def _outputs(
        self, X: Any, initial_state: Any = None, reduced: bool = False
    ) -> tuple[Fitted, Array, Sequences]:
        """Check X and compute ŷ flat: a row for each sequence, or for each step; see ``_y_hat``."""
        fitted, sequences = self._checked(X)
        return fitted, self._y_hat(fitted, sequences, initial_state, reduced), sequences

    def _y_hat(
        self,
        fitted: Fitted,
        sequences: Sequences,
        initial_state: Any = None,
        reduced: bool = False,
    ) -> Array:
        """Compute ŷ flat, and raise an error if it is not a number.

        ``reduced``: see ``Answers.reduced``; the result may be much smaller.
        """
        found, n_before = [], 0
        for y_hat in self._flat(fitted, sequences, initial_state):
            if not all_finite(y_hat):
                row = n_before + int(np.isfinite(y_hat).all(axis=1).argmin())
                place = sequences.locate(row) if self._every_step else f"sequence {row}"
                raise overflow(f" at {place} of X", fitted.network.dtype)
            found.append(fitted.answers.reduced(y_hat) if reduced else y_hat)
            n_before += len(y_hat)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _flat(
        self, fitted: Fitted, sequences: Sequences, initial_state: Any = None
    ) -> Iterator[Array]:
        """Compute ŷ flat: at once, or, for large sequences, block by block."""
        network = self._network(fitted)
        n, dtype = len(sequences), fitted.network.dtype
        carry = None
        if initial_state is not None:
            carry = Carry.of(fitted.network.architecture, initial_state, n, dtype)
        for some, made in fitted.blocks(sequences, self._every_step):
            own = None if carry is None else Carry(carry.architecture, carry.values[some])
            yield network.predict_flat(made, every_step=self._every_step, initial_state=own)

    def network_input(self, X: Any) -> list[Array]:
        """Compute the network's input for X: the steps that the front end makes.

        Use it for a network that is exported without its front end.

        Parameters
        ----------
        X : as ``predict`` takes it

        Returns
        -------
        list of arrays (n_steps, n_inputs)
            One for each sequence, in the network's dtype, standardised; with ``frame``, ``differences``
            and ``standardize="sequence"`` frames of [x, z, Δ] and levels.

        Raises
        ------
        DataError, ValueError, TypeError
            As ``predict``.

        Examples
        --------
        >>> import numpy as np
        >>> from elman import RNNClassifier
        >>> X = np.random.default_rng(0).standard_normal((50, 10, 2)).cumsum(axis=1)
        >>> options = {"frame": (4, 2), "standardize": True, "differences": True, "random_state": 0}
        >>> model = RNNClassifier(8, **options).fit(X, X[:, -1, 0] > 0)
        >>> steps = np.array(model.network_input(X))
        >>> steps.shape
        (50, 4, 16)
        >>> answers = model.network_.forward(steps, every_step=False)
        >>> bool((answers == model.predict_proba(X)).all())
        True
        """
        fitted, sequences = self._checked(X)
        made = fitted.scaled(sequences)
        return [steps.copy() for steps in np.split(made.values, made.offsets[1:-1])]

    def initial_state(self, n_sequences: int | None = None, states: Any = None) -> State:
        """Begin to go through sequences step by step, as their steps come in.

        Parameters
        ----------
        n_sequences : int, optional
            How many sequences to go through at the same time. If left out, one, and steps and
            predictions have no axis for it.
        states : Carry, or list with an entry a layer, optional
            The states to begin with, as ``initial_state`` of ``predict``.

        Returns
        -------
        State
            For ``step``. It keeps the present model, also if the estimator is fitted again.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If predictions need whole sequences: with ``bidirectional``, or ``standardize="sequence"``
            (which ``"auto"`` is, if a sequence has one answer).

        Examples
        --------
        >>> import numpy as np
        >>> from elman import RNNClassifier
        >>> X = np.random.default_rng(0).standard_normal((50, 10, 2)).cumsum(axis=1)
        >>> model = RNNClassifier(8, standardize=True, random_state=0).fit(X, X[:, -1, 0] > 0)
        >>> state = model.initial_state()
        >>> for x_t in X[0]:
        ...     probabilities, state = model.step(x_t, state)
        >>> bool((probabilities == model.predict_proba(X[:1])[0]).all())
        True
        """
        fitted, engine = self._state, self._make_engine()
        parameters = fitted.network.parameters
        carry = None
        if states is not None:
            dtype = parameters.vector.dtype
            carry = Carry.of(parameters.architecture, states, n_sequences or 1, dtype)
        names = fitted.format.step_names
        if fitted.front_end.level is not None:
            because = ", which 'auto' is here," if self.standardize == "auto" else ""
            raise ValueError(
                f"this model cannot answer step by step: standardize='sequence'{because} needs the "
                "mean and deviation of a whole sequence. Train one with standardize=True and "
                "frame=None: it answers from the first step on."
            )
        state = begin(engine, parameters, fitted.front_end, n_sequences, names, carry)
        if (vocabulary := fitted.format.vocabulary) is not None:
            state = with_vocabulary(state, vocabulary, n_sequences, parameters.vector.dtype)
        return self._own_streams.begin(state)

    @property
    def _own_streams(self) -> Streams:
        if not hasattr(self, "_streams"):
            self._streams = Streams()
        return self._streams

    def step(self, x_t: npt.ArrayLike, state: State) -> tuple[Array, State]:
        """Take one step.

        Parameters
        ----------
        x_t : array (n_features,), or (n_sequences, n_features)
            The features of the step, of each sequence. For a model of tokens: a token, or a list of
            them.
        state : State
            From ``initial_state``, or from the step before. It is not changed, and uses the model that
            it came from.

        Returns
        -------
        answers
            What ``predict_proba`` (or a regressor's ``predict``) returns if the sequences end here;
            with the compiled engine to the bit. For one sequence there is no axis of sequences. With
            ``frame``: NaN until the first frame is complete, then the prediction so far.
        state : State

        Raises
        ------
        DataError
            If x_t has another shape, is not finite, or overflows when it is standardised.
        TypeError
            If ``state`` is not a state.
        ValueError
            If it is the state of another estimator. One from before a new ``fit`` is allowed.
        """
        y_hat, after = self._own_streams.step(x_t, state, self.initial_state)
        is_nan = isnan(y_hat.item(0)) if y_hat.ndim < 2 else np.isnan(y_hat[:, 0]).any()
        if is_nan and not after.waits:
            raise overflow("", y_hat.dtype)
        return y_hat, after


def folded(rows: Array, sequences: Sequences) -> Array:
    """Fold values of steps into arrays, which ``cross_val_predict`` can put together."""
    pieces = sequences.fold(rows)
    if isinstance(pieces, np.ndarray):
        return pieces
    array = np.empty(len(pieces), object)
    for i, piece in enumerate(pieces):
        array[i] = piece
    return array


def overflow(where: str, dtype: np.dtype[Any]) -> DataError:
    """Make the error that ŷ is not a number."""
    return DataError(
        f"the network's numbers overflow {dtype}{where}: there is no answer. The weights or the inputs "
        "are too large. Train it again with a lower learning rate, or on scaled data."
    )
