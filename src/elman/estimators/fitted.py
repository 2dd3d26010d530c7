"""The result of fitting: one object, whose parts have scikit-learn's names in an estimator."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from elman._typing import Array
from elman.data import Examples, FrontEnd, Sequences
from elman.data import rows as stored
from elman.data.tokens import Token
from elman.estimators.answers import Answers
from elman.estimators.inputs import InputFormat
from elman.network import Network
from elman.training import Optimizer, Row


@dataclass(eq=False)
class Fitted:
    """All that ``fit`` learns. An estimator has one such object or none, and replaces it as a whole.

    Attributes
    ----------
    network : Network
    front_end : FrontEnd
        It turns the steps of a sequence into the network's steps.
    answers : Answers
        What the network's outputs mean.
    format : InputFormat
        The form that X must have.
    rng : numpy.random.Generator
        The generator that shuffles.
    history : list of dict
        A row for each epoch.
    optimizer : Optimizer or None
        None before the first update, in a model from a file, and for several networks, because these
        are trained further as the merged network.
    n_seen : int or None
        The number of sequences in all complete epochs together; None if a file does not say.
    n_members : int
        The number of networks from which this one was merged.
    """

    network: Network
    front_end: FrontEnd
    answers: Answers
    format: InputFormat
    rng: np.random.Generator
    history: list[Row] = field(default_factory=list)
    optimizer: Optimizer | None = None
    n_seen: int | None = 0
    n_members: int = 1

    def saw(self, n_sequences: int, n_epochs: int) -> None:
        """Count the sequences of complete epochs."""
        if self.n_seen is not None:
            self.n_seen += n_sequences * n_epochs

    def scaled(self, sequences: Sequences) -> Sequences:
        """Turn sequences into what the network takes."""
        return self.front_end.apply(sequences.astype(self.network.dtype))

    def prepared(self, examples: Examples) -> Examples:
        """Turn examples into what the network takes: at once, or, if they are large, batch by batch."""
        sequences = examples.sequences.astype(self.network.dtype)
        if not self._is_large(sequences):
            return replace(examples, sequences=self.front_end.apply(sequences))
        is_ready = self.front_end.changes_nothing and sequences.unread is None
        front_end = None if is_ready else self.front_end
        return replace(examples, sequences=sequences, front_end=front_end)

    def blocks(self, sequences: Sequences, every_step: bool) -> Iterator[tuple[slice, Sequences]]:
        """Turn sequences into what the network takes, in blocks if these, or ŷ, are large.

        Yields
        ------
        some : slice
            The sequences of a block.
        made : Sequences
            What the network takes for these.
        """
        sequences = sequences.astype(self.network.dtype)
        n_answers = len(sequences.values) if every_step else len(sequences)
        n_bytes = n_answers * self.answers.n_outputs * self.network.dtype.itemsize
        n_bytes = max(n_bytes, self._n_bytes(sequences))
        if sequences.unread is None and n_bytes <= stored.LARGE:
            yield slice(0, len(sequences)), self.front_end.apply(sequences)
            return
        share = sequences.nbytes / n_bytes  # the ŷ of a block may be larger than the block
        n_numbers = int(share * stored.LARGE / 2) // self.network.dtype.itemsize
        for some, _ in sequences.blocks(max(1, n_numbers)):
            yield some, self.front_end.apply(sequences[some])

    def _is_large(self, sequences: Sequences) -> bool:
        return sequences.unread is not None or self._n_bytes(sequences) > stored.LARGE

    def _n_bytes(self, sequences: Sequences) -> int:
        """The size of sequences, or of the network's input for them, whichever is more."""
        if self.front_end.standardizes_alone:
            return sequences.nbytes
        n_steps = int(self.front_end.lengths(sequences.lengths).sum())
        made = n_steps * self.front_end.n_inputs * self.network.dtype.itemsize
        return max(sequences.nbytes, made)

    def trainable(self) -> Fitted:
        """Itself; or a copy, if the arrays may not be written to (joblib maps large ones read-only)."""
        parameters = self.network.parameters
        if parameters.vector.flags.writeable:
            return self
        network = Network.from_parameters(parameters.copy(), self.network.engine)
        return replace(self, network=network, optimizer=copy.deepcopy(self.optimizer))


class FittedAttributes:
    """What an estimator has learned, under scikit-learn's names."""

    _fitted: Fitted

    def __sklearn_is_fitted__(self) -> bool:
        """Whether the estimator is fitted."""
        return "_fitted" in vars(self)

    @property
    def _state(self) -> Fitted:
        """The result of fitting, complete even while another thread fits again."""
        try:
            return self._fitted
        except AttributeError:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate "
                "arguments before using this estimator."
            ) from None

    @property
    def network_(self) -> Network:
        """The network, with ``network_.parameters`` U, W, b, V, c."""
        return self._state.network

    @property
    def n_members_(self) -> int:
        """The number of networks that ``network_`` is made of."""
        return self._state.n_members

    @property
    def mean_(self) -> Array:
        """The mean of each feature, (n_features,)."""
        return self._state.front_end.mean

    @property
    def scale_(self) -> Array:
        """The standard deviation of each feature, (n_features,)."""
        return self._state.front_end.scale

    @property
    def frame_(self) -> tuple[int, int] | None:
        """The frame that ``frame`` led to: (length, stride), or None."""
        frame = self._state.front_end.frame
        return None if frame is None else (frame.length, frame.stride)

    @property
    def n_features_in_(self) -> int:
        """The columns of a two-dimensional X, or else the features of a step."""
        return self._state.format.n_columns

    @property
    def feature_names_in_(self) -> Array:
        """The names of the columns, if X had names."""
        names = self._state.format.names
        if names is None:
            raise AttributeError("X had no column names in fit")
        return np.array(names, dtype=object)

    @property
    def vocabulary_(self) -> dict[Token, int]:
        """The column of U for each token; one more column is for unknown tokens."""
        vocabulary = self._state.format.vocabulary
        if vocabulary is None:
            raise AttributeError("X was no tokens in fit")
        return dict(vocabulary.columns)

    @property
    def reading_(self) -> Mapping[str, Any]:
        """How ``read_sequences`` read X from a file or table; it is saved with the model."""
        reading = self._state.format.reading
        if reading is None:
            raise AttributeError("X was not read by elman.read_sequences in fit")
        return reading

    @property
    def history_(self) -> list[Row]:
        """A row for each epoch: loss, accuracy, validation_score, learning_rate, gradient_norm.

        ``loss`` is that of ``loss_curve_``, ``learning_rate`` that of the last update and
        ``gradient_norm`` the mean before clipping. There is an accuracy for labels, and a validation
        score if sequences were kept aside. ``"recovered"`` is there if training diverged and continued,
        ``"stopped"`` if it ended early; both are text.
        """
        return self._state.history

    @property
    def n_iter_(self) -> int:
        """The number of epochs."""
        return len(self.history_)

    @property
    def n_sequences_seen_(self) -> int | None:
        """How many sequences were seen in all epochs; None if a model file does not say."""
        return self._state.n_seen

    @property
    def loss_curve_(self) -> list[float]:
        """The mean loss of a sequence in each epoch, with the penalty.

        Where each step is answered, a sequence's loss is the sum over its steps: for about 100 steps
        it is about 100 times the loss of a step.
        """
        return [row["loss"] for row in self.history_]

    @property
    def loss_(self) -> float:
        """The last of ``loss_curve_``."""
        return self.loss_curve_[-1] if self.history_ else np.nan

    @property
    def best_loss_(self) -> float:
        """The lowest of ``loss_curve_``."""
        return min(self.loss_curve_, default=np.nan)

    @property
    def validation_scores_(self) -> list[float] | None:
        """The score of the validation sequences after each epoch, if there are any."""
        scores = [row["validation_score"] for row in self.history_ if "validation_score" in row]
        return scores or None

    @property
    def best_validation_score_(self) -> float | None:
        """The highest of ``validation_scores_``."""
        return max(self.validation_scores_) if self.validation_scores_ else None
