"""Epoch after epoch: when training ends, and with which parameters."""

import numpy as np
import pytest

from elman.errors import DivergenceError
from elman.training import Run, train
from learners import LENGTHS, examples_of, network_of, trainer_of


def test_loss_that_rises_a_hundredfold_is_divergence(every_step):
    """Saturated tanh units never overflow: the loss only grows."""
    trainer = trainer_of(network_of(), examples_of(LENGTHS, every_step), rate=1e7, batch_size=2)
    run = Run([])
    with pytest.raises(
        DivergenceError, match=r"the loss of a label rose from .* to .*learning_rate_init"
    ):
        train(trainer, run, 3)
    assert all(row["loss"] < 100 for row in run.history)


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


def test_parameters_in_the_end_are_the_best_where_there_are_scores():
    for scores, best in (([1, 3, 2], 2), ([3, 2, 1], 1)):
        script, of_epochs = Script([1.0, 1.0, 1.0]), iter(scores)
        train(script, Run([]), 3, validate=lambda left=of_epochs: next(left))
        assert set(script.parameters.vector) == {best}
    script = Script([1.0, 3.0, 2.0])
    train(script, Run([]), 3)
    assert set(script.parameters.vector) == {3}
