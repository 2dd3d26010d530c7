"""Networks side by side: each learns as it does alone, from the same batches."""

import numpy as np
import pytest

from elman.engines import get_engine
from elman.equations.dropout import Dropout
from elman.errors import DivergenceError
from elman.merging import Members
from elman.parameters import initialize
from elman.training import Run, Trainer, constant, go_on, make_optimizer, state_of, train
from learners import LENGTHS, examples_of, network_of

ENGINES = ["reference", "compiled"]


def trainer_of(networks, every_step=False, *, engine="reference", solver="adam", **settings):
    settings = {"batch_size": 3, "max_norm": 0.5, "alpha": 0.1, "recurrent_rate": 0.5} | settings
    return Trainer(
        get_engine(engine),
        Members.of(networks),
        examples_of(LENGTHS, every_step),
        optimizer=make_optimizer(solver),
        schedule=constant(0.05),
        rng=np.random.default_rng(5),
        **settings,
    )


def two():
    return [network_of(seed=seed) for seed in (1, 2)]


def weights_after(trainer, n_epochs=3):
    run = Run([])
    train(trainer, run, n_epochs)
    return trainer.members.vector.copy(), run.history


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("solver", ["adam", "nesterov"])
def test_each_learns_as_it_does_alone(engine, solver, every_step):
    together, history = weights_after(trainer_of(two(), every_step, engine=engine, solver=solver))
    alone, rows = zip(
        *(
            weights_after(trainer_of([network], every_step, engine=engine, solver=solver))
            for network in two()
        ),
        strict=True,
    )
    np.testing.assert_array_equal(together, np.concatenate(alone))
    for row, *others in zip(history, *rows, strict=True):
        for name in ("loss", "accuracy", "gradient_norm"):
            mean = np.mean([other[name] for other in others])
            assert row[name] == pytest.approx(mean, rel=1e-12), name


@pytest.mark.parametrize("engine", ENGINES)
def test_each_carries_states_of_its_own(engine):
    settings = {"engine": engine, "tbptt_steps": 2}
    together, _ = weights_after(trainer_of(two(), True, **settings))
    alone = [weights_after(trainer_of([network], True, **settings))[0] for network in two()]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_each_has_masks_of_its_own():
    dropout = Dropout(0.5, 0.2, seed=7, update=0)
    together, _ = weights_after(trainer_of(two(), dropout=dropout))
    alone = [
        weights_after(trainer_of([network], dropout=dropout._replace(seed=seed)))[0]
        for network, seed in zip(two(), (7, 8), strict=True)
    ]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    same = trainer_of([network_of(seed=1)] * 2, dropout=dropout)
    weights_after(same)
    first, second = same.members.each
    assert (first.vector != second.vector).any()


def test_threads_change_no_bit():
    found = []
    for n_jobs in (1, 2):
        networks = [
            initialize(network_of().architecture, np.random.default_rng(m), np.float32)
            for m in range(3)
        ]
        trainer = trainer_of(networks, engine="compiled")
        trainer.engine = get_engine("compiled", n_jobs)
        trainer.examples = examples_of([300] * 40, False, dtype=np.float32)
        trainer.batch_size = 40
        found.append(weights_after(trainer, 1)[0])
    np.testing.assert_array_equal(*found)


def test_the_network_is_what_they_make_after_each_update():
    seen = []
    trainer = trainer_of(two())

    def look(progress):
        expected = Members(trainer.members.architecture, trainer.members.vector.copy()).network
        seen.append(trainer.parameters.vector.tobytes() == expected.vector.tobytes())

    train(trainer, Run([]), 2, callback=look)
    assert len(seen) == 2 * (3 + 1)
    assert all(seen)


def test_one_that_diverges_takes_all_back():
    networks = two()
    networks[1].vector *= 1e200
    before = np.concatenate([network.vector for network in networks])
    trainer = trainer_of(networks, alpha=1.0, max_norm=None, solver="sgd")
    with pytest.raises(DivergenceError, match=r"the norm of the gradient (inf|nan)"):
        train(trainer, Run([]), 2)
    np.testing.assert_array_equal(trainer.members.vector, before)


def test_the_worst_loss_counts():
    """The mean of three would be below a hundred times the first; that of one is above."""
    trainer = trainer_of([network_of(seed=seed) for seed in range(3)])
    evaluate, n_before = trainer._evaluate, [0]

    def one_is_high(window):
        found = evaluate(window)
        n_before[0] += 1
        if n_before[0] > 1:
            found[1] = found[1]._replace(loss=200 * window.weight * trainer.first_loss)
        return found

    trainer._evaluate = one_is_high
    with pytest.raises(DivergenceError, match="the loss of a label rose"):
        trainer.epoch(1, 1)


def test_an_interrupted_training_leaves_the_network_of_its_members():
    trainer = trainer_of(two())

    def interrupt(progress):
        trainer.members.vector[0] += 1  # as if between an update and what follows from it
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trainer, Run([]), 2, callback=interrupt)
    expected = Members(trainer.members.architecture, trainer.members.vector.copy()).network
    np.testing.assert_array_equal(trainer.parameters.vector, expected.vector)


@pytest.mark.parametrize("when", [1, 2, 3, 5])
def test_state_is_gone_on_from_to_the_same_bits(when):
    expected, history = weights_after(trainer_of(two(), True, tbptt_steps=2))
    kept = []

    def keep(moment):
        if moment == "update":
            settings, arrays = state_of(trainer, run)
            kept.append((settings, {name: array.copy() for name, array in arrays.items()}))

    trainer, run = trainer_of(two(), True, tbptt_steps=2), Run([])
    train(trainer, run, 3, keep=keep)
    zeros = [network_of() for _ in range(2)]
    trainer, run = trainer_of(zeros, True, tbptt_steps=2), Run([])
    go_on(trainer, run, kept[when])
    train(trainer, run, 3)
    np.testing.assert_array_equal(trainer.members.vector, expected)
    assert run.history == history


def test_the_network_is_what_they_make_after_an_epoch_that_nobody_watches():
    trainer = trainer_of(two())
    trainer.epoch(1, 1)
    expected = Members(trainer.members.architecture, trainer.members.vector.copy()).network
    np.testing.assert_array_equal(trainer.parameters.vector, expected.vector)
