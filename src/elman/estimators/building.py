"""The networks that training begins with: new ones, or those of an earlier training."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from elman._memory import require_memory
from elman.data import Examples, FrontEnd
from elman.equations.losses import Loss
from elman.estimators.answers import Answers
from elman.estimators.facts import readers_of
from elman.estimators.fitted import Fitted
from elman.estimators.hyperparameters import generator
from elman.estimators.inputs import InputFormat, planned_front_end
from elman.estimators.saving import Saved
from elman.merging import Members, merged_architecture
from elman.network import Network
from elman.parameters import Architecture, initialize
from elman.training import batch_size_of, epochs_of, members_for, steps_of_batches

# Arrays as large as the parameters, in training: the parameters, two for the products, two gradients,
# two of the optimizer, the best epoch's parameters and those before the epoch; and, if there are
# several networks, all their gradients in one array.
_COPIES = 9


class Building(Saved, metaclass=ABCMeta):
    """Makes new networks from the estimator's parameters, or takes those of an earlier training."""

    @abstractmethod
    def _loss(self) -> str | Loss:
        """The network's loss."""

    def _begin(
        self,
        before: Fitted | None,
        examples: Examples,
        answers: Answers,
        format: InputFormat,
        n_members: int | None,
    ) -> tuple[Fitted, Members]:
        """Take the networks of ``before``; or draw new ones and measure a front end on the examples.

        If ``n_members`` is None, the estimator's own ``n_members`` says how many new ones there are.
        Several networks of an earlier training are zeros here: the caller restores their parameters.
        """
        if before is not None:
            fitted = before.trainable()
            parameters = fitted.network.parameters
            if n_members in (None, 1):
                return fitted, Members.of([parameters])
            architecture = self._architecture(fitted.front_end, fitted.answers, fitted.format)
            n_numbers = n_members * architecture.n_parameters
            members = Members(architecture, np.zeros(n_numbers, parameters.vector.dtype))
            network = Network.from_parameters(members.network, fitted.network.engine)
            return replace(fitted, network=network), members
        sequences, targets = examples.sequences, examples.targets
        dtype = sequences.values.dtype
        rng = generator(self.random_state)
        front_end = self._front_end(examples, format)
        answers = answers.measured(targets)
        architecture = self._architecture(front_end, answers, format)
        if n_members is None:
            work = architecture.n_parameters * steps_of_batches(
                front_end.lengths(sequences.lengths)
            )
            n_members = self._n_members_of(work, len(sequences))
        _require_memory(architecture, n_members, dtype)
        drawn = [initialize(architecture, rng, dtype) for _ in range(n_members)]
        for parameters in drawn:
            answers.begin(parameters, targets)
            if format.vocabulary is not None:  # what is not learned says nothing
                columns = np.arange(format.vocabulary.unknown)
                absent = np.setdiff1d(columns, sequences.values.astype(np.int64))
                for name, spec in architecture.specs.items():
                    if spec.role == "input" and spec.layer == 1:
                        parameters[name][:, [*absent, format.vocabulary.unknown]] = 0
        members = Members.of(drawn)
        network = Network.from_parameters(members.network, self._make_engine())
        return Fitted(network, front_end, answers, format, rng, n_members=n_members), members

    def _n_members_of(self, work: float, n_sequences: int) -> int:
        """Return the number of networks to train; ``work`` is that of an epoch (``members_for``)."""
        if self.n_members != "auto":
            return int(self.n_members)
        if self._every_step:
            return 1
        n_batches = -(-n_sequences // batch_size_of(self.batch_size, n_sequences))
        return members_for(work * epochs_of(self.max_iter, n_batches))

    def _front_end(self, examples: Examples, format: InputFormat) -> FrontEnd:
        sequences = examples.sequences
        if format.vocabulary is not None:
            return FrontEnd.of_tokens(sequences.values.dtype)
        planned = planned_front_end(self, sequences.lengths, sequences.n_features)
        weights = examples.targets.weights / examples.targets.weights.max()
        are_alike = bool((weights == 1).all())
        if not (are_alike or self._every_step):
            weights = np.repeat(weights, sequences.lengths)
        return FrontEnd.measured(
            sequences,
            None if are_alike else weights,
            standardize=bool(self.standardize) if planned.level is None else "sequence",
            differences=planned.differences,
            frame=planned.frame,
            readers=readers_of(self, False, sequences),
        )

    @property
    def _readout(self) -> str:
        readout: str = self._auto_readout if self.readout == "auto" else self.readout
        return readout

    def _architecture(
        self, front_end: FrontEnd, answers: Answers, format: InputFormat
    ) -> Architecture:
        if self._every_step and self.readout not in ("auto", "last"):
            raise InvalidParameterError(
                f"readout={self.readout!r} answers a sequence once, but an "
                f"{type(self).__name__} answers each step; leave it at 'auto'."
            )
        self._check_long_sequences()
        try:
            vocabulary = format.vocabulary
            return Architecture.of(
                front_end.n_inputs if vocabulary is None else len(vocabulary),
                self.hidden_layer_sizes,
                self.cell,
                answers.n_outputs,
                bool(self.bias),
                self._loss(),
                bool(self.learn_initial_state),
                bool(self.bidirectional),
                self._readout,
                vocabulary is not None,
            )
        except ValueError as error:
            raise InvalidParameterError(f"hidden_layer_sizes and cell: {error}") from None

    def _check_long_sequences(self) -> None:
        """Refuse ``tbptt_steps`` and ``checkpoint_steps`` if the network cannot follow them."""
        if self.tbptt_steps is not None and not self._every_step:
            raise InvalidParameterError(
                f"tbptt_steps={self.tbptt_steps} is for estimators that answer each step: an "
                f"{type(self).__name__} answers a sequence once, and from a window without an answer "
                "nothing can be learned. Leave it out: exact gradients take little memory, whatever "
                "the length."
            )
        for name in ("tbptt_steps", "checkpoint_steps"):
            if self.bidirectional and getattr(self, name) not in (None, "auto"):
                raise InvalidParameterError(
                    f"{name}={getattr(self, name)} and bidirectional=True exclude each other: a layer "
                    "that goes from the last step to the first needs all steps of those below it. Set "
                    "one of them back."
                )


def _require_memory(architecture: Architecture, n_members: int, dtype: np.dtype[Any]) -> None:
    """Raise a MemoryError if there is too little memory for these networks and the merged one."""
    n_parameters = n_members * architecture.n_parameters
    n_numbers = _COPIES * n_parameters
    if n_members > 1:
        together = merged_architecture(architecture, n_members)
        n_numbers += n_parameters + together.n_parameters
    require_memory(n_numbers * dtype.itemsize, f"training {n_parameters:,} parameters")
