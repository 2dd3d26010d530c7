"""Epoch after epoch: when training ends, and with which parameters."""

import logging
import math

import numpy as np
import pytest

from elman.errors import DivergenceError
from elman.merging import Members
from elman.training import Progress, Run, train
from elman.training.guessing import Guessing
from elman.training.recovery import MAX_IN_ALL, MAX_WITHOUT_AN_EPOCH
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
    best = run.best.copy()
    trainer.examples.targets.weights[3] = np.nan
    before = parameters.vector.copy()
    run = Run(run.history)
    with pytest.raises(DivergenceError, match="epoch 3, update 3"):
        train(trainer, run, 2)
    assert [row["epoch"] for row in run.history] == [1, 2]
    np.testing.assert_array_equal(run.best, best)
    np.testing.assert_array_equal(parameters.vector, before)


class Script:
    """A trainer whose epochs have the losses it is told, and mark the parameters.

    A loss of None is a divergence; the next time the epoch has the loss behind it.
    """

    def __init__(self, losses, guessing=math.inf):
        self.losses = list(losses)
        self.guessing = Guessing(guessing, 0.0, guessing)
        self.data_loss = math.nan
        self.examples = examples_of((2, 3), False)
        self.members = Members.of([network_of()])
        self.n_updates = 0
        self.rate_factor = 1.0
        self.began_with = []

    def epoch(self, number, n_epochs, callback=None):
        self.began_with.append((self.n_updates, self.rate_factor, self.members.vector[0]))
        self.members.vector[...] = number
        self.n_updates += 7
        if self.losses[number - 1] is None:
            del self.losses[number - 1]
            raise DivergenceError(f"training diverged in epoch {number}: loss nan.")
        self.data_loss = self.losses[number - 1]
        return {"epoch": number, "loss": self.losses[number - 1], "accuracy": 0.5}

    def back_off(self, n_updates):
        self.n_updates = n_updates
        self.rate_factor /= 2

    def progress(self, number, n_epochs, n_done, loss, accuracy, seconds, row):
        return Progress(number, n_epochs, n_done, n_done, loss, accuracy, seconds, row)


def best_epoch(run):
    (number,) = set(run.best)
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


def test_without_patience_it_goes_on_to_the_end():
    run = Run([])
    train(Script([5.0] * 40), run, 40)
    assert len(run.history) == 40
    assert not run.converged


@pytest.mark.parametrize("scored", [False, True])
def test_patience_begins_below_the_loss_of_guessing(scored):
    """Five epochs of plateau at 3, which is guessing, count for nothing."""
    losses = [3.0, 3.0, 2.95, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0]
    scores = iter([-loss for loss in losses])
    run = Run([])
    train(
        Script(losses, guessing=3.0),
        run,
        9,
        tol=0.1,
        n_iter_no_change=2,
        validate=(lambda: next(scores)) if scored else None,
    )
    assert len(run.history) == 8
    assert (best_epoch(run), run.converged) == (6, True)


def test_plateau_at_guessing_is_no_convergence():
    run = Run([])
    train(Script([3.0] * 20, guessing=3.0), run, 20, tol=0.1, n_iter_no_change=2)
    assert (len(run.history), run.converged) == (20, False)


def test_what_stops_early_ends_with_the_best_weights_and_says_so(caplog):
    caplog.set_level(logging.INFO, "elman")
    script, run, seen = Script([5.0, 2.0, 2.5, 3.0]), Run([]), []
    train(script, run, 4, tol=0.1, n_iter_no_change=2, callback=seen.append)
    assert set(script.members.vector) == {2}
    assert run.data_loss == 2.0
    words = (
        "stopped after epoch 4: the loss got better by less than 0.1 for 2 epochs; the weights are "
        "those after epoch 2, the best"
    )
    assert [row.get("stopped") for row in run.history] == [None, None, None, words]
    assert seen[-1].notes == [words]
    assert caplog.messages == [words]


def test_going_on_to_the_end_keeps_the_last_weights():
    script, run = Script([5.0, 2.0, 2.5, 3.0]), Run([])
    train(script, run, 4, tol=0.1, n_iter_no_change=3)
    assert set(script.members.vector) == {4}
    assert run.data_loss == 3.0


# Divergence, from which training recovers


def test_divergence_goes_on_from_the_last_good_weights_at_half_the_rate(caplog):
    """At first those after the best epoch; its last update may have spoilt them, so then before it."""
    caplog.set_level(logging.INFO, "elman")
    script, run = Script([5.0, 2.0, 3.0, None, None, 1.0, 0.5]), Run([])
    train(script, run, 5)
    assert script.began_with[3:] == [(21, 1.0, 3), (21, 0.5, 2), (21, 0.25, 1), (28, 0.25, 4)]
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5]
    assert [("recovered" in row) for row in run.history] == [False, False, False, True, False]
    words = run.history[3]["recovered"]
    assert words == " ".join(caplog.messages)
    for part in ("diverged in epoch 4", "last good weights", "1/2 of", "1/4 of the learning rate"):
        assert part in words
    assert words.count("last good weights") == 1  # said at length once


def test_with_scores_the_last_good_weights_are_the_best():
    scores = iter([1.0, 3.0, 2.0, 4.0])
    script = Script([5.0, 2.0, 3.0, None, 1.0])
    train(script, Run([]), 4, validate=lambda: next(scores))
    assert script.began_with[-1] == (21, 0.5, 2)


def test_too_many_divergences_are_an_error_that_says_what_was_tried():
    """Without an epoch between them, or in all."""
    script, run = Script([5.0] + [None] * 9), Run([])
    with pytest.raises(DivergenceError, match=r"epoch 2: .* gone on 5 times .* 1/32 of.*Lower"):
        train(script, run, 3)
    assert len(script.began_with) == 1 + 1 + MAX_WITHOUT_AN_EPOCH
    assert len(run.history) == 1

    losses = [loss for number in range(20) for loss in (None, 5.0 - number / 10)]
    script, run = Script(losses), Run([])
    with pytest.raises(DivergenceError, match=r"epoch 9: .* gone on 8 times .* 1/256 of"):
        train(script, run, 20)
    assert len(run.history) == MAX_IN_ALL
    assert script.began_with[-1] == (56, 1 / 256, 8)
    assert set(script.members.vector) == {7}  # what the best epoch, the last, began with


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "rmsprop", "adam"])
def test_a_rate_that_is_too_high_is_found_a_lower_one(solver):
    """The same bits again, and a fresh optimizer each time."""
    rate = 1.5e17 if solver == "sgd" else 1e15

    def trained():
        trainer = trainer_of(
            network_of(), examples_of(LENGTHS, True), rate=rate, batch_size=2, solver=solver
        )
        trainer.schedule = lambda update: rate if trainer.rate_factor > 0.1 else 1e-3
        run = Run([])
        train(trainer, run, 3)
        return trainer.parameters.vector.tobytes(), run.history

    vector, history = trained()
    assert (vector, history) == trained()
    assert "1/16" in history[0]["recovered"]
    assert history[-1]["loss"] < 20
    assert {row["learning_rate"] for row in history} == {1e-3 / 16}


def test_one_batch_that_is_high_is_no_divergence():
    """Its gradient is clipped, and the next batches are as good as before."""
    trainer = trainer_of(network_of(), examples_of(LENGTHS, False), batch_size=2, max_norm=1e-3)
    trainer.examples.targets.weights[...] = 1
    update, number = trainer._update, iter(range(99))

    def with_one_high(batch, learning_rate, epoch):
        done = update(batch, learning_rate, epoch)
        return done._replace(worst=done.worst * (1e6 if next(number) in high else 1.0))

    trainer._update = with_one_high
    high = {2}
    assert trainer.epoch(1, 2)["epoch"] == 1
    high = {4, 5, 6}
    with pytest.raises(DivergenceError, match="the loss of a label rose from"):
        trainer.epoch(2, 2)


def test_training_carries_on_from_its_history():
    script, seen = Script([5, 4, 6, 3]), []
    train(script, Run(history := []), 2)
    train(script, run := Run(history), 2, callback=seen.append)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    assert best_epoch(run) == 4
    assert [(progress.epoch, progress.n_epochs) for progress in seen] == [(3, 4), (4, 4)]


def test_best_is_a_copy():
    script, run = Script([5, 6]), Run([])
    train(script, run, 2)
    assert not np.shares_memory(run.best, script.members.vector)
    assert best_epoch(run) == 1


def test_interrupted_training_keeps_its_run():
    def interrupt(progress):
        if progress.epoch == 3 and progress.row is None:
            raise KeyboardInterrupt

    run = Run([])
    trainer = trainer_of(network_of(), examples_of(LENGTHS, False))
    with pytest.raises(KeyboardInterrupt) as caught:
        train(trainer, run, 5, callback=interrupt)
    assert caught.value.__notes__ == ["the best weights of 2 epochs are kept: the model has them"]
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
        assert set(script.members.vector) == {best}
    script = Script([1.0, 3.0, 2.0])
    train(script, Run([]), 3)
    assert set(script.members.vector) == {3}
