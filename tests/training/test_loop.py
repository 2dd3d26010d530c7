"""The loop: what a batch's objective is, what an update does with it, and when training ends."""

import json

import numpy as np
import pytest

from elman.check import complex_step
from elman.data import Examples, Targets, as_sequences
from elman.engines import get_engine
from elman.engines.reference import loss as reference_loss
from elman.errors import DivergenceError
from elman.parameters import Architecture, Parameters, initialize
from elman.training import Run, Trainer, constant, make_optimizer, train
from tolerances import BY_HAND, relative_error

LENGTHS = (4, 2, 5, 1, 3, 3, 6)
K = 3


@pytest.fixture(params=[True, False], ids=["label a step", "label a sequence"])
def every_step(request):
    return request.param


def examples_of(lengths, every_step, weights=None, dtype=np.float64, seed=0):
    """Sequences of these lengths, with random labels; weights are one a sequence."""
    rng = np.random.default_rng(seed)
    sequences = as_sequences([rng.standard_normal((T, 2)).astype(dtype) for T in lengths])
    n_labels = sum(lengths) if every_step else len(lengths)
    weights = np.ones(len(lengths)) if weights is None else np.array(weights, dtype=float)
    weights = np.repeat(weights, lengths) if every_step else weights
    labels = rng.integers(K, size=n_labels)
    return Examples(sequences, Targets(labels, weights.astype(dtype), every_step))


def network_of(hidden=(4, 3), dtype=np.float64, seed=0):
    architecture = Architecture(2, hidden, ("tanh",) * len(hidden), K)
    parameters = initialize(architecture, np.random.default_rng(seed), dtype)
    for name in ("b1", "c"):  # zeros would hide a penalty on them
        parameters[name][...] = np.linspace(-0.5, 0.7, parameters[name].size)
    return parameters


def trainer_of(parameters, examples, *, solver="sgd", rate=0.1, seed=0, **settings):
    settings = {"batch_size": 100, "shuffle": False} | settings
    return Trainer(
        get_engine("reference"),
        parameters,
        examples,
        optimizer=make_optimizer(solver),
        schedule=constant(rate),
        rng=np.random.default_rng(seed),
        **settings,
    )


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
        (shard,) = examples.batch(np.array([i])).shards(1)
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


def test_weights_count_as_they_are(every_step):
    """A part of low weight makes a small step."""
    examples = examples_of(LENGTHS, every_step, np.full(len(LENGTHS), 0.01))
    gradient, _ = step_of(examples)
    unweighted, _ = step_of(examples_of(LENGTHS, every_step))
    assert relative_error(gradient, 0.01 * unweighted) <= BY_HAND


def test_loss_that_rises_a_hundredfold_is_divergence(every_step):
    """Saturated tanh units never overflow: the loss only grows."""
    trainer = trainer_of(network_of(), examples_of(LENGTHS, every_step), rate=1e7, batch_size=2)
    run = Run([])
    with pytest.raises(
        DivergenceError, match=r"the loss of a label rose from .* to .*learning_rate_init"
    ):
        train(trainer, run, 3)
    assert all(row["loss"] < 100 for row in run.history)


@pytest.mark.parametrize("weights", [None, [1.0] * 6 + [1e5], [1e-45] * 7])
def test_long_and_heavy_sequences_are_no_divergence(every_step, weights):
    examples = examples_of([1] * 6 + [3000], every_step, weights)
    trainer = trainer_of(network_of(), examples, batch_size=1, max_norm=1e-3)
    assert trainer.epoch(1, 1)["loss"] > 0


def test_last_update_is_looked_at_too(every_step):
    parameters = network_of()
    before = parameters.vector.copy()
    trainer = trainer_of(parameters, examples_of(LENGTHS, every_step), rate=1e308, alpha=1e3)
    with pytest.raises(DivergenceError, match="weights that are not finite"):
        train(trainer, Run([]), 1)
    np.testing.assert_array_equal(parameters.vector, before)


def diverge(dtype=np.float64, rate=1e200, alpha=1.0):
    parameters = network_of(dtype=dtype)
    examples = examples_of(LENGTHS, True, dtype=dtype)
    trainer = trainer_of(parameters, examples, rate=rate, batch_size=2, alpha=alpha)
    run = Run([])
    with pytest.raises(DivergenceError) as caught:
        train(trainer, run, 50)
    return caught.value, parameters, run


def test_divergence_says_where_and_what_to_do():
    error, _, _ = diverge()
    assert isinstance(error, ArithmeticError)
    for part in ("epoch 1, update 2", "learning rate of 1e+200", "learning_rate_init", "clip_norm"):
        assert part in str(error)


@pytest.mark.parametrize(
    ("dtype", "rate", "alpha"),
    [
        (np.float64, 1e200, 1.0),
        (np.float32, 1e30, 1.0),
        (np.float64, 1e308, 1e3),  # the update itself overflows, before any loss does
    ],
)
def test_divergence_leaves_finite_parameters(dtype, rate, alpha):
    _, parameters, run = diverge(dtype, rate, alpha)
    assert np.isfinite(parameters.vector).all()
    assert run.best is None
    assert run.history == []


def test_divergence_keeps_the_epochs_before_it():
    parameters = network_of()
    trainer = trainer_of(parameters, examples_of(LENGTHS, False))
    run = Run([])
    train(trainer, run, 2)
    best = run.best.vector.copy()
    trainer.examples.targets.weights[3] = np.nan
    before = parameters.vector.copy()
    with pytest.raises(DivergenceError, match="epoch 3, update 3"):
        train(trainer, run, 2)
    assert [row["epoch"] for row in run.history] == [1, 2]
    np.testing.assert_array_equal(run.best.vector, best)
    np.testing.assert_array_equal(parameters.vector, before)


class Script:
    """A trainer whose epochs have the losses it is told, and mark the parameters."""

    def __init__(self, losses):
        self.losses = losses
        self.examples = examples_of((2, 3), False)
        self.parameters = network_of()

    def epoch(self, number, n_epochs, callback=None):
        self.parameters.vector[...] = number
        return {"epoch": number, "loss": self.losses[number - 1], "accuracy": 0.5}


def best_epoch(run):
    (number,) = set(run.best.vector)
    return number


# losses, tol, epochs without improvement allowed → epochs run, best epoch, converged
STOPPING = {
    "falls to the end": ([5, 4, 3, 2], 0.1, 2, 4, 4, False),
    "level": ([5, 5, 5, 5, 5], 0.1, 2, 3, 1, True),
    "rises": ([5, 6, 7, 8], 0.1, 3, 4, 1, True),
    "dips and recovers": ([5, 6, 4, 5, 3, 4], 0.1, 2, 6, 5, False),
    "too little is none, but the best is kept": ([5, 4.95, 4.92, 4.91], 0.1, 2, 3, 3, True),
    "slow steps count from the last best": ([5, 4.95, 4.84, 4.8], 0.1, 2, 4, 4, False),
}


@pytest.mark.parametrize("case", STOPPING.values(), ids=list(STOPPING))
def test_stops_when_the_loss_no_longer_improves(case):
    losses, tol, patience, n_run, best, converged = case
    run = Run([])
    train(Script(losses), run, len(losses), tol=tol, n_iter_no_change=patience)
    assert [row["loss"] for row in run.history] == losses[:n_run]
    assert (best_epoch(run), run.converged) == (best, converged)
    assert run.best_loss == min(losses[:n_run])


@pytest.mark.parametrize("case", STOPPING.values(), ids=list(STOPPING))
def test_stops_when_the_score_no_longer_improves(case):
    losses, tol, patience, n_run, best, converged = case
    scores = iter([-loss for loss in losses])
    run = Run([])
    misleading = Script([float(number) for number in range(len(losses))])
    train(
        misleading,
        run,
        len(losses),
        validate=lambda: next(scores),
        tol=tol,
        n_iter_no_change=patience,
    )
    assert [-row["validation_score"] for row in run.history] == losses[:n_run]
    assert (best_epoch(run), run.converged) == (best, converged)
    assert run.best_score == -min(losses[:n_run])


def test_training_carries_on_from_its_history():
    script, run, seen = Script([5, 4, 6, 3]), Run([]), []
    train(script, run, 2)
    train(script, run, 2, callback=seen.append)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    assert best_epoch(run) == 4
    assert [(progress.epoch, progress.n_epochs) for progress in seen] == [(3, 4), (4, 4)]


def test_best_is_a_copy():
    script, run = Script([5, 6]), Run([])
    train(script, run, 2)
    assert not np.shares_memory(run.best.vector, script.parameters.vector)
    assert best_epoch(run) == 1


def test_interrupted_training_keeps_its_run():
    def interrupt(progress):
        if progress.epoch == 3 and progress.row is None:
            raise KeyboardInterrupt

    run = Run([])
    trainer = trainer_of(network_of(), examples_of(LENGTHS, False))
    with pytest.raises(KeyboardInterrupt):
        train(trainer, run, 5, callback=interrupt)
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert run.best is not None


def test_callback_sees_each_batch_and_each_epoch(every_step):
    seen = []
    run = Run([])
    trainer = trainer_of(network_of(), examples_of(LENGTHS, every_step), batch_size=3)
    train(trainer, run, 2, callback=seen.append)
    assert [(p.epoch, p.n_done, p.row is not None) for p in seen] == [
        (epoch, n_done, complete)
        for epoch in (1, 2)
        for n_done, complete in ((3, False), (6, False), (7, False), (7, True))
    ]
    assert {(p.n_epochs, p.n_sequences) for p in seen} == {(2, 7)}
    assert [p.row for p in seen if p.row] == run.history
    for last_batch, epoch in ((seen[2], seen[3]), (seen[6], seen[7])):
        assert (last_batch.loss, last_batch.accuracy) == (epoch.loss, epoch.accuracy)
        assert 0 <= last_batch.seconds <= epoch.seconds


def test_taking_examples_takes_what_belongs_to_them(every_step):
    examples = examples_of(LENGTHS, every_step, weights=np.arange(1, 8))
    sequences, offsets = examples.sequences, examples.sequences.offsets
    indices = np.array([5, 0, 6, 0])
    taken = examples.take(indices)
    rows = [np.arange(offsets[i], offsets[i + 1]) if every_step else [i] for i in indices]
    found, given = taken.targets, examples.targets
    np.testing.assert_array_equal(found.values, given.values[np.concatenate(rows)])
    np.testing.assert_array_equal(found.weights, given.weights[np.concatenate(rows)])
    assert found.every_step == every_step
    for x, i in zip(taken.sequences, indices, strict=True):
        np.testing.assert_array_equal(x, sequences[i])


def test_mean_weight_is_over_sequences_however_long(every_step):
    examples = examples_of((4, 1, 2), every_step, weights=(1, 5, 3))
    assert examples.mean_weight == 3


def test_mean_weight_of_steps_is_their_mean_in_each_sequence():
    examples = examples_of((2, 1), every_step=True)
    examples.targets.weights[...] = [1, 2, 7]
    assert examples.mean_weight == (1.5 + 7) / 2
