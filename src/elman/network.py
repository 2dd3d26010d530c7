"""The network of the notes: layers of cells under one softmax, with access to every number."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._files import require_ours_or_nothing
from elman._typing import Array, SequencesLike
from elman.data import Batch, Examples, Sequences, Targets, as_sequences
from elman.data.labels import checked_labels, has_step_labels, sequence_labels, step_labels
from elman.data.numbers import (
    checked_numbers,
    has_step_numbers,
    sequence_numbers,
    step_numbers,
)
from elman.data.tokens import require_tokens
from elman.data.weights import cast_weights, target_weights
from elman.engines import Carry, Engine, State, get_engine
from elman.engines.reference import forward as trace_forward
from elman.engines.streaming import Streams
from elman.equations import Cell
from elman.equations.dropout import Dropout
from elman.equations.losses import Loss
from elman.errors import DataError
from elman.exporting import Exported
from elman.parameters import Architecture, Parameters, initialize
from elman.persistence import fitting_together, parameters_from, read_model, write_model


@dataclass(frozen=True, eq=False)
class Intermediates:
    """Every intermediate of N2, under the notes' names.

    Each holds an array (n_samples, n_timesteps, ·), or a list of (n_timesteps, ·) if X is a list or has
    padding. All but the last two are lists with an entry for each layer, lowest first. A bidirectional
    layer has two, the forward one and the reverse one, in which h_{t-1} is the state of step t + 1.

    Attributes
    ----------
    U_frd, W_frd, h_unactivated, h_activated : list
        U x_t, W h_{t-1}, their sum (plus b), and the state, each (…, H). For a cell with gates, the
        first three have the gates side by side, (…, G_x H), (…, G_h H) and (…, G H).
    states : list of dict
        The states by name: h, which is h_activated, and others that the cell has, each (…, H).
    gates : list of dict
        The gates' values by name, each (…, H), if a cell has several and keeps their values.
    y_unactivated, y_activated
        V h_t (plus c), and its softmax (or the activation of another loss), each (…, K).
    """

    U_frd: list[Any]
    W_frd: list[Any]
    h_unactivated: list[Any]
    h_activated: list[Any]
    states: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    y_unactivated: Any
    y_activated: Any


class Network(Exported):
    """A recurrent (or feed-forward) network with named parameters.

    Parameters
    ----------
    n_features : int
        D, the features of a step.
    hidden : int or sequence of int
        H of each layer, lowest first.
    n_outputs : int
        K, the number of classes; for a loss of numbers, how many numbers, times the quantiles.
    cell : str, Cell, or sequence of these
        ``"tanh"`` (the notes'), ``"relu"``, ``"dense"`` (tanh without recurrence), ``"leaky"``,
        ``"gru"``, ``"lstm"``, or an instance of a subclass of ``elman.Cell``; one for all layers or
        one for each. With ``"dense"`` for all layers, and sequences of one step, X[:, None, :], it is
        the feed-forward network of N1; W_k of the notes is U_k here.
    bias : bool
        Whether there are the biases b and c.
    dtype : dtype
        float32 or float64.
    seed : int or None
        For the initial parameters. The same seed gives the same bits.
    loss : str or Loss
        ``"cross_entropy"`` for classes (with a softmax); for numbers ``"squared_error"``,
        ``"absolute_error"``, ``"quantile"`` (the median), ``"poisson"`` (ŷ = exp z), or an instance:
        ``elman.equations.losses.Quantile((0.1, 0.9))``, or of your own subclass of ``elman.Loss``.
    learn_initial_state : bool
        Whether the states before the first step are parameters, ``"initial1"`` (n_states · H,) and so
        on, that begin at zero and are learned.
    bidirectional : bool
        Whether to add to each layer one that runs from the last step to the first (Schuster and Paliwal
        1997). The output of a step sees both; the output of a sequence sees the last state of each.
    readout : {"last", "mean", "max"}
        What V multiplies: the last state of the top layer, or for each unit the mean or the maximum of
        the steps so far (of equal maxima, the first). For one target per sequence.
    tokens : bool
        Whether a step is one token, an integer 0 … D - 1, in place of D features. X is
        (n_samples, n_timesteps, 1) or a list of (n_timesteps, 1), and U_1 x_t is a column of U_1. The
        result is the same as with a one-hot x_t, in less time and memory.
    engine : {"compiled", "reference"}
        The compute engine: compiled functions, or the notes' equations as they are written, in NumPy.
    checkpoint_steps : "auto", int or None
        For how many steps to keep the states for the backward pass, as in ``RNNClassifier``.
    n_jobs : int or None
        The largest number of threads. None means all cores of this process. The number never changes a
        result.

    Attributes
    ----------
    architecture : Architecture
    engine : Engine
    parameters : Parameters
        ``parameters["U1"]`` (H, D), ``["W1"]`` (H, H), ``["b1"]`` (H,), then layer 2, and at last
        ``["V"]`` (K, H) and ``["c"]`` (K,). If bidirectional, ``["U1_reverse"]`` (H, D), … follow those
        of the forward layer, and V is (K, 2 H). You can write into them:
        ``parameters["V"][...] = 0``.

    Raises
    ------
    ValueError
        If a size is below 1, or there is no such cell, engine or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import Network
    >>> network = Network(n_features=3, hidden=[5], n_outputs=2, dtype=np.float64, seed=0)
    >>> X = np.random.default_rng(0).standard_normal((4, 6, 3))
    >>> loss, gradients = network.loss_and_gradients(X, y=[0, 1, 1, 0])
    >>> gradients["W1"].shape
    (5, 5)
    """

    def __init__(
        self,
        n_features: int,
        hidden: int | Sequence[int],
        n_outputs: int,
        *,
        cell: str | Cell | Sequence[str | Cell] = "tanh",
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        seed: int | None = None,
        loss: str | Loss = "cross_entropy",
        learn_initial_state: bool = False,
        bidirectional: bool = False,
        readout: str = "last",
        tokens: bool = False,
        engine: str = "compiled",
        checkpoint_steps: str | int | None = "auto",
        n_jobs: int | None = None,
    ) -> None:
        if not _is_floating(dtype):
            raise ValueError(f"dtype must be float32 or float64; got {dtype!r}")
        given: Any = seed
        if given is not None and (not isinstance(given, Integral) or given < 0):
            raise ValueError(f"seed must be an integer of at least 0, or None; got {seed!r}")
        architecture = Architecture.of(
            n_features,
            hidden,
            cell,
            n_outputs,
            bias,
            loss,
            learn_initial_state,
            bidirectional,
            readout,
            tokens,
        )
        self.engine = get_engine(engine, n_jobs, checkpoint_steps)
        self.parameters = initialize(architecture, np.random.default_rng(seed), dtype)
        self._streams = Streams()

    @classmethod
    def from_parameters(cls, parameters: Parameters, engine: Engine | None = None) -> Network:
        """Make a network of existing parameters; they are shared, not copied."""
        network = cls.__new__(cls)
        network.engine = get_engine() if engine is None else engine
        network.parameters = parameters
        network._streams = Streams()
        return network

    @property
    def architecture(self) -> Architecture:
        """The shape of the network."""
        return self.parameters.architecture

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and results."""
        return self.parameters.vector.dtype

    def forward(
        self, X: SequencesLike, *, every_step: bool = True, initial_state: Any = None
    ) -> Array | list[Array]:
        """Compute ŷ (N2).

        Parameters
        ----------
        X : array (n_samples, n_timesteps, D), or list of (n_timesteps, D)
        every_step : bool
            Whether to return ŷ_t of every step, or only of each sequence's last.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state from ``step``; or for each
            layer h, (n_samples, H), or a mapping from names of states. If left out, zeros, or what was
            learned.

        Returns
        -------
        array (n_samples, n_timesteps, K)
            A list of (n_timesteps, K) where X is a list or has padding; (n_samples, K) if not
            ``every_step``.

        Raises
        ------
        DataError
            If X is not sequences of D finite numbers a step.
        """
        sequences = self._check(X)
        y_hat = self.predict_flat(sequences, every_step=every_step, initial_state=initial_state)
        return sequences.fold(y_hat) if every_step else y_hat

    def predict_flat(
        self, sequences: Sequences, *, every_step: bool, initial_state: Any = None
    ) -> Array:
        """Compute ŷ of checked sequences as one array (n_answers, K): a row a sequence, or a step."""
        batch, carry = (
            Batch.all_of(sequences, every_step),
            self._carry(initial_state, len(sequences)),
        )
        y_hat = np.empty((batch.n_answers, self.architecture.n_outputs), self.dtype)
        try:
            self.engine.probabilities(self.parameters, batch, y_hat, carry)
        finally:
            self.engine.release()
        return y_hat

    def _carry(self, given: Any, n: int) -> Carry | None:
        """Check states that a caller gives; None if they are left out."""
        return None if given is None else Carry.of(self.architecture, given, n, self.dtype)

    def trace(self, X: SequencesLike, initial_state: Any = None) -> Intermediates:
        """Compute every intermediate of N2, by the reference equations.

        Parameters
        ----------
        X : array (n_samples, n_timesteps, D), or list of (n_timesteps, D)
        initial_state : Carry, or list with an entry a layer, optional
            As in ``forward``.

        Returns
        -------
        Intermediates
            Under the notes' names, of every step.

        Raises
        ------
        DataError
            If X is not sequences of D finite numbers a step.
        """
        sequences = self._check(X)
        (shard,) = Batch.all_of(sequences, every_step=True).shards(len(sequences))
        carry = self._carry(initial_state, len(sequences))
        trace = trace_forward(self.parameters, shard, carry)

        def fold(blocks: Sequence[Array]) -> Any:
            columns = np.concatenate(blocks, axis=1)
            rows = np.empty_like(columns.T)
            rows[shard.rows] = columns.T
            return sequences.fold(rows)

        z = trace.y_unactivated
        answers = (fold([z]), fold([self.architecture.loss_function.activate(z)]))
        found = Intermediates([], [], [], [], [], [], *answers)
        for (_, cell, _, _), of_layer in zip(self.architecture.stack, trace.layers, strict=True):
            U_frd, W_frd, h_unactivated, states, kept = zip(*of_layer.steps, strict=True)
            of_states = [fold(state) for state in zip(*states, strict=True)]
            found.U_frd.append(fold(U_frd))
            found.W_frd.append(fold(W_frd))
            found.h_unactivated.append(fold(h_unactivated))
            found.h_activated.append(of_states[0])
            found.states.append(dict(zip(cell.states, of_states, strict=True)))
            values = gate_values(cell, list(zip(*kept, strict=True)))
            found.gates.append({gate: fold(blocks) for gate, blocks in values.items()})
        return found

    def loss_and_gradients(
        self, X: SequencesLike, y: Any, sample_weight: Any = None, dropout: Dropout | None = None
    ) -> tuple[float, Parameters]:
        """Compute the loss and every gradient.

        The loss is the *sum* over a sequence's labelled steps (N3) and the *mean* over sequences:
        (1/B) Σ_i w_i Σ_t L_{i,t}. Sequences of weight 0 are left out, of B too.

        Parameters
        ----------
        X : array (n_samples, n_timesteps, D), or list of (n_timesteps, D)
        y : (n_samples,) integers, or list of (n_timesteps,) integers
            One class for each sequence, or one for each step; 0 … K - 1. For a loss of numbers:
            (n_samples,) or (n_samples, n_numbers), or a list of (n_timesteps,) or
            (n_timesteps, n_numbers).
        sample_weight : array (n_samples,), or a list of (n_timesteps,) for labels at each step
            w_i; 1 if left out.
        dropout : Dropout, optional
            What to drop, ``elman.Dropout(rate, recurrent_rate, seed, update)``; nothing if left out.

        Returns
        -------
        loss : float
        gradients : Parameters
            Under the parameters' names.

        Raises
        ------
        DataError
            If X, y or the weights are not as above.
        """
        batch, targets = self.batch(X, y, sample_weight)
        try:
            evaluation = self.engine.loss_and_gradients(
                self.parameters, batch, targets, dropout=dropout
            )
        finally:
            self.engine.release()
        return evaluation.loss, evaluation.gradients

    def batch(self, X: SequencesLike, y: Any, sample_weight: Any = None) -> tuple[Batch, Targets]:
        """Check labelled sequences and make a batch of them, as an engine takes it.

        Parameters
        ----------
        X, y, sample_weight
            As in ``loss_and_gradients``.

        Returns
        -------
        batch : Batch
        targets : Targets
            The weights divided by the number of sequences.
        """
        examples = self._examples(X, y, sample_weight)
        targets, n = examples.targets, len(examples.sequences)
        weights = cast_weights(targets.weights / n, self.parameters.vector.real.dtype)
        weighted = examples.with_targets(replace(targets, weights=weights))
        return weighted.batch(np.arange(n))

    def astype(self, dtype: npt.DTypeLike) -> Network:
        """Copy the network to another dtype.

        complex128 is for complex-step differentiation, by the reference engine.
        """
        network = copy(self)
        network.parameters, network._streams = self.parameters.astype(dtype), Streams()
        if network.dtype.kind == "c":
            network.engine = get_engine("reference")
        return network

    def initial_state(self, n_sequences: int | None = None, states: Any = None) -> State:
        """Begin to go through sequences step by step.

        Parameters
        ----------
        n_sequences : int, optional
            How many sequences to go through at the same time. If left out, one, and steps and
            predictions have no axis for it.
        states : Carry, or list with an entry a layer, optional
            The states to begin with, as in ``forward``.

        Returns
        -------
        State
            It holds the present parameters: if you change them later, the state does not change.
        """
        D = self.architecture.n_inputs
        mean, scale = np.zeros(D, self.dtype), np.ones(D, self.dtype)
        carry = self._carry(states, n_sequences or 1)
        state = self.engine.initial_state(self.parameters, n_sequences, mean, scale, carry=carry)
        return self._streams.begin(state)

    def step(self, x_t: npt.ArrayLike, state: State) -> tuple[Array, State]:
        """Take one step.

        Parameters
        ----------
        x_t : array (D,), or (n_sequences, D)
        state : State
            From ``initial_state`` or from the step before. It is not changed.

        Returns
        -------
        y_hat : array (K,), or (n_sequences, K)
            The same as ``forward`` of the whole sequences; with the compiled engine to the bit.
        state : State

        Raises
        ------
        DataError
            If x_t has another shape, or is not finite.
        TypeError
            If ``state`` is not a state.
        ValueError
            If it is the state of another network. One from before the parameters changed is allowed.
        """
        return self._streams.step(x_t, state, self.initial_state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a model file (safetensors), replacing an older one at once.

        Any other file that is there already stays, and is an error.

        Raises
        ------
        ValueError
            If the network is complex.
        FileExistsError
            If there is a file already that is no model of elman's.
        OSError
            If the file cannot be written; what was there is as it was.
        """
        if self.dtype.kind == "c":
            raise ValueError("a complex network cannot be saved; save the real one it came from")
        require_ours_or_nothing(path, "model")
        write_model(path, "Network", self.architecture.settings, dict(self.parameters))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network from a model file. No code runs.

        It uses the compiled engine and all cores; you can replace its ``engine`` afterwards.

        Raises
        ------
        ModelFileError
            If the file is damaged, altered, foreign, or holds something else.
        OSError
            If there is no such file, or it cannot be read.
        """
        model = read_model(path, kind="Network")
        with fitting_together(path):
            parameters = parameters_from(model.settings, model.arrays)
        return cls.from_parameters(parameters)

    def _check(self, X: SequencesLike) -> Sequences:
        architecture = self.architecture
        sequences = as_sequences(X, self.dtype).loaded()
        if sequences.n_features != architecture.n_inputs:
            raise DataError(
                f"X has {sequences.n_features} feature(s) a step; this network takes "
                f"{architecture.n_inputs}. The axes are (n_samples, n_timesteps, n_features)."
            )
        if architecture.tokens:
            require_tokens(sequences.values, architecture.n_features)
        return sequences

    def _examples(self, X: SequencesLike, y: Any, sample_weight: Any = None) -> Examples:
        """Check labelled sequences; what has weight 0 is left out."""
        sequences = self._check(X)
        if not self.architecture.loss_function.takes_classes:
            return self._number_examples(sequences, y, sample_weight)
        every_step = has_step_labels(y)
        self._require_one_target(every_step)
        labels = step_labels(y, sequences) if every_step else sequence_labels(y, len(sequences))
        weights = target_weights(sample_weight, sequences, every_step)
        examples = Examples(sequences, Targets(labels, weights, every_step)).present()
        targets = checked_labels(examples.targets)
        labels = targets.values[targets.present]
        K = self.architecture.n_outputs
        if labels.dtype.kind not in "biu":
            raise DataError(f"y has dtype {labels.dtype}; expected integers 0 … {K - 1}.")
        if labels.min() < 0 or labels.max() >= K:
            raise DataError(
                f"y holds labels from {labels.min()} to {labels.max()}; expected integers 0 … {K - 1}."
            )
        return examples.with_targets(replace(targets, values=targets.values.astype(np.int64)))

    def _require_one_target(self, every_step: bool) -> None:
        readout = self.architecture.readout
        if every_step and readout != "last":
            raise DataError(
                f"y has a target for each step, and readout={readout!r} reads a sequence as a whole; "
                "expected one target a sequence. Steps are learnt with readout='last'."
            )

    def _number_examples(self, sequences: Sequences, y: Any, sample_weight: Any) -> Examples:
        """Check sequences with numbers to predict; what has weight 0 is left out."""
        n_numbers = self.architecture.n_numbers
        every_step = has_step_numbers(y, n_numbers)
        self._require_one_target(every_step)
        values = (step_numbers if every_step else sequence_numbers)(y, sequences)
        weights = target_weights(sample_weight, sequences, every_step)
        examples = Examples(sequences, Targets(values, weights, every_step)).present()
        targets = checked_numbers(examples.targets, self.architecture.loss_function.check)
        if targets.values.shape[1] != n_numbers:
            raise DataError(
                f"y has {targets.values.shape[1]} number(s) for each answer; this network predicts "
                f"{n_numbers}."
            )
        return examples.with_targets(targets)


def gate_values(cell: Cell, kept: Sequence[Any]) -> dict[str, Any]:
    """Name the values that a cell keeps by its gates, if it has several and keeps one for each."""
    several = len(cell.gates) > 1 and len(cell.gates) == len(kept)
    return dict(zip(cell.gates, kept, strict=True)) if several else {}


def _is_floating(dtype: Any) -> bool:
    """Whether a value, of any type, stands for float32 or float64."""
    try:
        return np.dtype(dtype) in (np.float32, np.float64)
    except (TypeError, ValueError):
        return False
