"""Windows: which steps an update learns from, with which states, and what that makes of training."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from elman.engines import Carry, n_states
from elman.equations.dropout import Dropout
from elman.training.windows import n_windows, windows
from learners import LENGTHS, examples_of, network_of, trainer_of
from tolerances import BY_HAND, relative_error

EVERYTHING = np.arange(len(LENGTHS))


def states_of(parameters, n):
    return Carry(parameters.architecture, np.zeros((n, n_states(parameters.architecture))))


def cut(examples, n_steps, indices=EVERYTHING):
    return list(windows(examples, indices, n_steps, [states_of(network_of(), len(indices))]))


def test_windows_have_every_step_once_and_in_order():
    examples = examples_of(LENGTHS, True)
    found = cut(examples, 2)
    rows = [
        list(range(start, start + length))
        for window in found
        for start, length in zip(window.batch.starts, window.batch.lengths, strict=True)
    ]
    assert sorted(chain(*rows)) == list(range(sum(LENGTHS)))
    for window in found:
        assert (np.diff(window.batch.lengths) <= 0).all()
        assert window.batch.lengths.max() <= 2
    assert [len(window.batch) for window in found] == [7, 5, 2]
    assert sum(window.share for window in found) == pytest.approx(1)
    assert sum(window.weight for window in found) == sum(LENGTHS)
    assert [window.carry is None for window in found] == [True, False, False]
    assert [window.after is None for window in found] == [False, False, True]


@pytest.mark.parametrize("n_steps", [None, max(LENGTHS)])
def test_what_is_not_cut_is_one_window_that_carries_nothing(n_steps):
    (window,) = cut(examples_of(LENGTHS, True), n_steps)
    assert (window.share, window.carry, window.after) == (1.0, None, None)
    assert len(window.batch) == window.n_sequences == len(LENGTHS)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
@pytest.mark.parametrize("n_steps", [None, 1, 2, 4, 6])
def test_updates_are_counted_beforehand(batch_size, n_steps):
    examples = examples_of(LENGTHS, True)
    trainer = trainer_of(network_of(), examples, batch_size=batch_size, tbptt_steps=n_steps)
    trainer.epoch(1, 1)
    assert trainer.n_updates == trainer.n_batches
    assert trainer.n_batches == n_windows(examples, batch_size, n_steps)


def test_windows_without_a_target_are_no_updates():
    examples = examples_of((9, 6), True)
    weights = np.ones(15)
    weights[3:6] = weights[12:] = 0  # the second window of both
    examples = examples.with_targets(replace(examples.targets, weights=weights))
    trainer = trainer_of(network_of(), examples, batch_size=2, tbptt_steps=3)
    trainer.epoch(1, 1)
    assert trainer.n_updates == trainer.n_batches == 2


def at_rest(n_steps, alpha=0.0, **settings):
    """The epoch's row, and the gradients of its updates, of a network that does not move."""
    trainer = trainer_of(
        network_of(), examples_of(LENGTHS, True), rate=1e-300, alpha=alpha, tbptt_steps=n_steps,
        **settings,
    )  # fmt: skip
    found = []
    trainer.optimizer.apply = lambda vector, gradient, rate: found.append(gradient.copy())
    return trainer.epoch(1, 1), found


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_an_epoch_at_rest_has_the_objective_of_whole_sequences(alpha):
    (whole, _), (row, gradients) = at_rest(None, alpha), at_rest(2, alpha)
    assert len(gradients) == 3
    assert row["loss"] == pytest.approx(whole["loss"], rel=BY_HAND)
    assert row["accuracy"] == pytest.approx(whole["accuracy"], rel=BY_HAND)


def test_states_are_carried_and_errors_are_not():
    trainer = trainer_of(network_of(), examples_of(LENGTHS, True), tbptt_steps=2)
    states = trainer.states_of(len(LENGTHS))
    first, second, _ = windows(trainer.examples, EVERYTHING, 2, states)
    trainer._evaluate(first)
    constant = Carry(trainer.parameters.architecture, second.carry[0].values.copy())
    assert np.abs(constant.values).min() > 0
    expected = trainer.engine.loss_and_gradients(
        trainer.parameters, second.batch, trainer.examples.targets, constant
    )
    (found,) = trainer._evaluate(second)
    assert found.loss == expected.loss
    np.testing.assert_array_equal(found.gradients.vector, expected.gradients.vector)
    nothing = states_of(trainer.parameters, len(LENGTHS))
    from_zeros = trainer.engine.loss_and_gradients(
        trainer.parameters, second.batch, trainer.examples.targets, nothing
    )
    assert relative_error(found.gradients.vector, from_zeros.gradients.vector) > 1e-3


def test_an_epoch_begins_with_the_networks_own_states():
    examples = examples_of(LENGTHS, True)
    rows = [trainer_of(network_of(), examples, rate=1e-300, tbptt_steps=2).epoch(1, 1)["loss"]]
    trainer = trainer_of(network_of(), examples, rate=1e-300, tbptt_steps=2)
    rows += [trainer.epoch(number, 2)["loss"] for number in (1, 2)]
    assert rows[0] == rows[1] == rows[2]


def test_windows_without_a_target_carry_states_and_make_no_update():
    examples = examples_of([6, 2], True)
    examples.targets.weights[2:4] = 0
    trainer = trainer_of(network_of(), examples, tbptt_steps=2)
    seen = []
    row = trainer.epoch(1, 1, lambda progress: seen.append(progress.update))
    assert trainer.n_updates == 2
    assert seen == [1, 2]
    assert np.isfinite(row["loss"])


def test_masks_are_drawn_anew_for_each_window():
    dropout = Dropout(0.5, 0.0, seed=1, update=0)
    trainer = trainer_of(network_of(), examples_of([6], True), tbptt_steps=2, dropout=dropout)
    drawn = []
    compute = trainer.engine.of_each

    def watched(members, *others):
        drawn.extend(member.dropout.update for member in members)
        return compute(members, *others)

    trainer.engine.of_each = watched
    trainer.epoch(1, 1)
    assert drawn == [0, 1, 2]
