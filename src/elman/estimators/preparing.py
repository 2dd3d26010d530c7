"""The input of ``fit`` and ``score``, checked and encoded before the estimator changes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from sklearn.utils._param_validation import InvalidParameterError

from elman._typing import Array
from elman.data import Examples, Sequences, Targets
from elman.data.weights import target_weights
from elman.errors import DataError
from elman.estimators.answers import Answers
from elman.estimators.building import Building
from elman.estimators.facts import readers_of
from elman.estimators.fitted import Fitted
from elman.estimators.inputs import InputFormat, as_fitted, first_format
from elman.merging import merged_architecture


class Prepared(NamedTuple):
    """Checked input, before the estimator changes."""

    examples: Examples
    answers: Answers
    format: InputFormat


class Preparing(Building):
    """Checks sequences, targets and weights, and makes examples of them."""

    @abstractmethod
    def _values(self, y: Any, sequences: Sequences) -> Array:
        """Check the shape of y, and lay it out flat: a row for each sequence, or for each step."""

    @abstractmethod
    def _checked_values(self, targets: Targets, known: Answers | None) -> Targets:
        """Check the values of y, also against the answers of an earlier call."""

    @abstractmethod
    def _known(self, targets: Targets, before: Answers | None, classes: Any = None) -> Answers:
        """Find out which answers the network can give. The targets have to be among them.

        ``classes`` are those that the caller of ``partial_fit`` names.
        """

    def _encoded(self, examples: Examples, answers: Answers) -> Examples:
        """Turn checked targets into what ``answers`` takes."""
        return examples.with_targets(answers.encoded(examples.targets))

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, before: Fitted | None, classes: Any = None
    ) -> Prepared:
        """Check the input and encode the targets; nothing is set yet."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        readers = partial(readers_of, self, before is not None)
        if before is None:
            sequences, format = first_format(self, X, readers)
        else:
            format = before.format
            sequences = as_fitted(self, X, format, before.network.dtype, readers)
        answers_before = None if before is None else before.answers
        examples = self._examples(y, sequences, sample_weight, answers_before)
        has_less = len(examples.sequences.values) < len(sequences.values)
        if before is None and format.vocabulary is not None and has_less:  # because of weights of 0
            vocabulary, present = format.vocabulary.of_present(
                examples.sequences, self.min_frequency
            )
            examples = replace(examples, sequences=present)
            format = replace(format, vocabulary=vocabulary)
        answers = self._known(examples.targets, answers_before, classes)
        if before and before.network.architecture != merged_architecture(
            self._architecture(before.front_end, answers, before.format), before.n_members
        ):
            M, architecture = before.n_members, before.network.architecture
            own = replace(architecture, hidden=tuple(H // M for H in architecture.hidden))
            raise InvalidParameterError(
                "hidden_layer_sizes, cell, bidirectional, learn_initial_state, readout, bias and loss "
                f"cannot change once training has begun: it goes on with {own}"
                f"{f', of which n_members={M} were trained' if M > 1 else ''}. Set them back, or fit "
                "with warm_start=False."
            )
        return Prepared(self._encoded(examples, answers), answers, format)

    def _examples(
        self, y: Any, sequences: Sequences, sample_weight: Any, known: Answers | None = None
    ) -> Examples:
        """Check targets and weights, also against known answers; leave out what has weight 0."""
        values = self._values(y, sequences)
        weights = target_weights(sample_weight, sequences, self._every_step)
        examples = Examples(sequences, Targets(values, weights, self._every_step)).present()
        return examples.with_targets(self._checked_values(examples.targets, known))

    def _given_aside(self, validation_data: Any, prepared: Prepared) -> Examples:
        """Check ``validation_data``, and encode its targets."""
        if not isinstance(validation_data, tuple) or len(validation_data) not in (2, 3):
            raise DataError(
                f"validation_data is of type {type(validation_data).__name__}; expected (X, y) or "
                "(X, y, sample_weight), as for fit."
            )
        X, y, sample_weight = (*validation_data, None)[:3]
        try:
            dtype = prepared.examples.sequences.values.dtype
            sequences = as_fitted(self, X, prepared.format, dtype)
            examples = self._examples(y, sequences, sample_weight, prepared.answers)
            self._known(examples.targets, prepared.answers)
            return self._encoded(examples, prepared.answers)
        except ValueError as error:
            raise DataError(f"validation_data: {error}") from None
