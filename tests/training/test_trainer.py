"""An epoch: what a batch's objective is, and what an update does with it."""

import json

import numpy as np
import pytest

from elman.engines.reference import loss as reference_loss
from elman.parameters import Parameters
from learners import LENGTHS, examples_of, network_of, trainer_of
from naive import complex_step
from tolerances import BY_HAND, relative_error


def step_of(examples, parameters=None, **settings):
    """The gradient one update of SGD went against, and the epoch's row."""
    parameters = network_of() if parameters is None else parameters
    before = parameters.vector.copy()
    row = trainer_of(parameters, examples, rate=1.0, **settings).epoch(1, 1)
    return before - parameters.vector, row


def objective_of(vector, architecture, examples, alpha):
    """The objective as documented, one sequence at a time, in any dtype."""
    parameters = Parameters(architecture, vector)
    n = len(examples.sequences)
    total = 0
    for i in range(n):
        batch, _ = examples.batch(np.array([i]))
        (shard,) = batch.shards(1)
        total += reference_loss(parameters, shard, examples.targets)
    for name, array in parameters.items():
        if name[0] in "UWV":
            total += alpha / 2 * (array**2).sum()
    return total / n


WEIGHTS = (1, 2, 1, 3, 1, 1, 2)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_update_goes_against_the_gradient_of_the_objective(every_step, weights, alpha):
    examples, parameters = examples_of(LENGTHS, every_step, weights), network_of()
    vector = parameters.vector.astype(complex)
    expected = complex_step(
        lambda: objective_of(vector, parameters.architecture, examples, alpha), vector
    )
    objective = objective_of(vector, parameters.architecture, examples, alpha).real
    gradient, row = step_of(examples, parameters, alpha=alpha)
    assert relative_error(gradient, expected) <= BY_HAND
    assert row["loss"] == pytest.approx(objective, rel=BY_HAND)
    assert row["gradient_norm"] == pytest.approx(np.linalg.norm(expected), rel=BY_HAND)


def test_loss_is_a_sum_over_steps_and_a_mean_over_sequences(every_step):
    examples = examples_of(LENGTHS, every_step)
    alone = [step_of(examples.take(np.array([i]))) for i in range(len(LENGTHS))]
    gradient, row = step_of(examples)
    assert relative_error(gradient, np.mean([g for g, _ in alone], axis=0)) <= BY_HAND
    assert row["loss"] == pytest.approx(np.mean([r["loss"] for _, r in alone]), rel=BY_HAND)


def test_weight_is_a_number_of_repetitions(every_step):
    weighted = examples_of(LENGTHS, every_step, WEIGHTS)
    repeated = examples_of(LENGTHS, every_step).take(np.repeat(np.arange(len(WEIGHTS)), WEIGHTS))
    gradient, row = step_of(weighted)
    expected, expected_row = step_of(repeated)
    n, n_repeated = len(WEIGHTS), sum(WEIGHTS)
    assert relative_error(gradient * n, expected * n_repeated) <= BY_HAND
    assert row["loss"] * n == pytest.approx(expected_row["loss"] * n_repeated, rel=BY_HAND)
    assert row["accuracy"] == pytest.approx(expected_row["accuracy"], rel=BY_HAND)


def test_clipping_shortens_the_step_and_reports_the_whole_norm(every_step):
    examples = examples_of(LENGTHS, every_step)
    gradient, row = step_of(examples)
    clipped, clipped_row = step_of(examples, max_norm=0.01)
    assert np.linalg.norm(clipped) == pytest.approx(0.01)
    assert relative_error(clipped, gradient * 0.01 / np.linalg.norm(gradient)) <= BY_HAND
    assert clipped_row == row


def test_batches_go_over_every_sequence_once(every_step):
    """Small batches at no learning rate see what one large batch sees."""
    examples = examples_of(LENGTHS, every_step)
    rows = [
        trainer_of(network_of(), examples, batch_size=size, shuffle=shuffle, rate=0.0).epoch(1, 1)
        for size, shuffle in ((100, False), (1, False), (3, False), (3, True))
    ]
    for row in rows[1:]:
        assert row["loss"] == pytest.approx(rows[0]["loss"], rel=BY_HAND)
        assert row["accuracy"] == rows[0]["accuracy"]


def trained(seed, **settings):
    parameters = network_of()
    trainer = trainer_of(parameters, examples_of(LENGTHS, True), seed=seed, **settings)
    rows = [trainer.epoch(number, 3) for number in (1, 2, 3)]
    return parameters.vector, rows


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_same_seed_gives_the_same_bits(solver):
    settings = {"solver": solver, "batch_size": 2, "shuffle": True, "alpha": 0.1, "max_norm": 1.0}
    vector, rows = trained(3, **settings)
    again, rows_again = trained(3, **settings)
    other, _ = trained(4, **settings)
    np.testing.assert_array_equal(vector, again)
    assert rows == rows_again
    assert (vector != other).any()


def test_rows_are_plain_numbers(every_step):
    parameters = network_of(dtype=np.float32)
    trainer = trainer_of(parameters, examples_of(LENGTHS, every_step, dtype=np.float32), alpha=0.1)
    row = trainer.epoch(1, 1)
    assert json.loads(json.dumps(row)) == row
    assert list(row) == ["epoch", "loss", "accuracy", "learning_rate", "gradient_norm"]


def test_training_learns(every_step):
    examples = examples_of(LENGTHS, every_step)
    trainer = trainer_of(network_of((8,)), examples, solver="adam", rate=0.05)
    rows = [trainer.epoch(number, 200) for number in range(1, 201)]
    assert rows[-1]["accuracy"] == 1
    assert rows[-1]["loss"] < 0.1 * rows[0]["loss"]


def test_schedule_is_asked_at_every_update():
    asked = []
    trainer = trainer_of(network_of(), examples_of(LENGTHS, False), batch_size=3)
    trainer.schedule = lambda update: asked.append(update) or 0.1 / (1 + update)
    rows = [trainer.epoch(number, 2) for number in (1, 2)]
    assert asked == list(range(6)) == list(range(trainer.n_updates))
    assert [row["learning_rate"] for row in rows] == [0.1 / 3, 0.1 / 6]


@pytest.mark.parametrize("solver", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_recurrent_weights_may_have_a_rate_of_their_own(solver, dtype):
    def step(**settings):
        parameters = network_of(dtype=dtype)
        before = parameters.copy()
        examples = examples_of(LENGTHS, True, dtype=dtype)
        trainer = trainer_of(parameters, examples, solver=solver, rate=1e-2, **settings)
        trainer.epoch(1, 1)
        assert parameters.vector.dtype == dtype
        return {name: parameters[name] - before[name] for name in parameters}

    plain, same = step(), step(recurrent_rate=1.0)
    tenth, fixed = step(recurrent_rate=0.1), step(recurrent_rate=0.0)
    for name in plain:
        np.testing.assert_array_equal(same[name], plain[name])
        if name in ("W1", "W2"):
            np.testing.assert_allclose(tenth[name], 0.1 * plain[name], atol=1e-7)
            assert not fixed[name].any()
            assert plain[name].any()
        else:
            np.testing.assert_array_equal(tenth[name], plain[name])


def test_backing_off_begins_anew_at_half_the_rate():
    """The next step is that of a fresh Adam: half the rate, whatever came before."""
    trainer = trainer_of(network_of(), examples_of(LENGTHS, True), solver="adam", rate=0.02)
    for number in (1, 2, 3):
        trainer.epoch(number, 4)
    trainer.back_off(1)
    assert (trainer.n_updates, trainer.learning_rate) == (1, 0.01)
    before = trainer.parameters.copy()
    trainer.epoch(4, 4)
    step = abs(trainer.parameters.vector - before.vector)
    np.testing.assert_allclose(step, 0.01, rtol=1e-3)


def test_weights_count_as_they_are(every_step):
    """A part of low weight makes a small step."""
    examples = examples_of(LENGTHS, every_step, np.full(len(LENGTHS), 0.01))
    gradient, _ = step_of(examples)
    unweighted, _ = step_of(examples_of(LENGTHS, every_step))
    assert relative_error(gradient, 0.01 * unweighted) <= BY_HAND


@pytest.mark.parametrize("weights", [None, [1.0] * 6 + [1e5], [1e-45] * 7])
def test_long_and_heavy_sequences_are_no_divergence(every_step, weights):
    examples = examples_of([1] * 6 + [3000], every_step, weights)
    trainer = trainer_of(network_of(), examples, batch_size=1, max_norm=1e-3)
    assert trainer.epoch(1, 1)["loss"] > 0
