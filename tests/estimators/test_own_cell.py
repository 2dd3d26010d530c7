"""A cell that is not elman's does everything that ours do."""

import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone

import elman
from elman import Cell, ModelFileError, Network, RNNClassifier, RNNTagger, check_gradients
from elman.engines import ENGINES
from elman.equations.functions import sigmoid, sigmoid_slope, tanh, tanh_slope
from tolerances import ROUNDING, relative_error


@dataclass(frozen=True, eq=False)
class Peephole(Cell):
    """Two states, a gate that reads x alone, and a field: s = f s + gain (1 - f) tanh a; h = tanh s."""

    gain: float = 1.5

    gates = ("f", "a")
    states = ("h", "s")
    reads: ClassVar = {"f": "x"}
    first_bias: ClassVar = {"f": 2.0}

    def forward(self, a, before):
        f, c = sigmoid(a[0]), tanh(a[1])
        s = f * before[1] + (1.0 - f) * c * self.gain
        return (tanh(s), s), (f, c)

    def backward(self, d, kept, after, before):
        (dh, ds), (f, c), (h, _) = d, kept, after
        ds = ds + dh * tanh_slope(h)
        df = ds * (before[1] - c * self.gain) * sigmoid_slope(f)
        return (df, ds * (1.0 - f) * self.gain * tanh_slope(c)), (None, ds * f)


rng = np.random.default_rng(0)
X = [rng.standard_normal((T, 3)) for T in rng.integers(1, 9, 40)]
y = [int(x.sum() > 0) for x in X]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cell", [Peephole(), (Peephole(0.7), "tanh")], ids=str)
@pytest.mark.parametrize("n", [2, 40])
def test_its_gradients_are_proved(cell, engine, n):
    network = Network(3, (5, 4), 2, cell=cell, seed=0, engine=engine)
    checks = check_gradients(network, X[:n], y[:n])
    assert [check for check in checks if not check.passed] == []
    assert network.parameters["U1"].shape == (10, 3)
    assert network.parameters["W1"].shape == (5, 5)
    np.testing.assert_array_equal(network.parameters.gate("b1", "f"), 2)


def test_both_engines_give_the_same():
    answers = [
        np.concatenate(
            Network(3, 9, 2, cell=Peephole(), dtype=float, seed=0, engine=engine).forward(X)
        )
        for engine in ENGINES
    ]
    assert relative_error(*answers) <= ROUNDING


def test_it_learns_streams_and_is_cloned():
    tagger = clone(RNNTagger(8, cell=Peephole(0.9), max_iter=3, random_state=0))
    tagger.fit(X, [np.cumsum(x[:, 0]) > 0 for x in X])
    assert tagger.cell == Peephole(0.9)
    state = tagger.initial_state()
    for t, x_t in enumerate(X[3]):
        probabilities, state = tagger.step(x_t, state)
        np.testing.assert_array_equal(probabilities, tagger.predict_proba(X[3:4])[0][t])
    again = tagger.fit(X, [np.cumsum(x[:, 0]) > 0 for x in X]).network_.parameters.vector
    np.testing.assert_array_equal(
        again, clone(tagger).fit(X, [np.cumsum(x[:, 0]) > 0 for x in X]).network_.parameters.vector
    )


def test_it_goes_on_with_a_warm_start():
    model = RNNClassifier(8, cell=Peephole(), max_iter=2, random_state=0, warm_start=True).fit(X, y)
    pickle.loads(pickle.dumps(model)).fit(X, y)
    with pytest.raises(ValueError, match="cell, bidirectional"):
        model.set_params(cell=Peephole(0.3)).fit(X, y)


def test_it_is_explained_and_its_terms_are_proved():
    network = Network(3, 4, 2, cell=Peephole(), seed=0)
    explanation = elman.explain(network, X[0], [0] * len(X[0]))
    assert explanation.n_proved == explanation.n_terms > 0
    assert "Peephole" in explanation.title
    assert "<html" in explanation.to_html() if hasattr(explanation, "to_html") else True


def test_pickled_and_saved_it_is_the_same(tmp_path):
    model = RNNClassifier(8, cell=Peephole(0.9), max_iter=2, random_state=0).fit(X, y)
    model.save(tmp_path / "model.safetensors")
    expected = model.predict_proba(X)
    for found in (
        pickle.loads(pickle.dumps(model)),
        RNNClassifier.load(tmp_path / "model.safetensors"),
    ):
        assert found.cell == Peephole(0.9)
        np.testing.assert_array_equal(found.predict_proba(X), expected)
    network = Network(3, 8, 2, cell=(Peephole(0.4),))
    network.save(tmp_path / "network.safetensors")
    assert Network.load(tmp_path / "network.safetensors").architecture == network.architecture


def test_a_file_that_needs_it_names_it_where_it_is_not(tmp_path):
    path = tmp_path / "model.safetensors"
    RNNClassifier(8, cell=Peephole(), max_iter=1, random_state=0).fit(X, y).save(path)
    program = f"import elman\nelman.load({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "the cell 'Peephole', which is not elman's. Import the module" in done.stderr


def test_a_file_with_other_fields_is_refused(tmp_path):
    path = tmp_path / "network.safetensors"
    Network(3, 8, 2, cell=Peephole(0.123456)).save(path)
    damaged = path.read_bytes().replace(b"gain", b"goin")
    assert damaged != path.read_bytes()
    Path(path).write_bytes(damaged)
    with pytest.raises(ModelFileError):
        Network.load(path)


class Returning(Cell):
    """A cell whose methods return what they are told to."""

    gates = ("a", "b")

    def __init__(self, forward=None, backward=None):
        self.of_forward = forward
        self.of_backward = backward

    def forward(self, a, before):
        h = tanh(a[0] + a[1])
        return self.of_forward(h) if self.of_forward else ((h,), (h,))

    def backward(self, d, kept, after, before):
        da = d[0] * tanh_slope(after[0])
        return self.of_backward(da) if self.of_backward else ((da, da), (None,))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Returning(lambda h: ((h, h), ())), "returns 2 states after a step; expected 1"),
        (Returning(lambda h: (h, ())), "states after a step, as a ndarray; expected a tuple"),
        (Returning(lambda h: ((h,), (1.0,))), "returns 1.0 among values to keep; expected what is"),
        (Returning(None, lambda da: ((da,), (None,))), "1 da, errors of gates; expected 2"),
        (Returning(None, lambda da: ((da,) * 3, (None,))), "3 da, errors of gates; expected 2"),
        (Returning(None, lambda da: ((da,) * 2, ())), "0 d_before, errors of states; expected 1"),
        (Returning(None, lambda da: ((da,) * 2, (0.0,))), "returns 0.0 among d_before"),
    ],
)
def test_a_cell_that_returns_what_there_is_no_room_for_is_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        Network(3, 4, 2, cell=cell).loss_and_gradients(X, y)


def test_a_cell_that_could_change_is_refused():
    @dataclass
    class Changing(Returning):
        gain: float = 1.0

    with pytest.raises(ValueError, match=r"cannot be hashed; make its class a dataclass\(frozen"):
        Network(3, 4, 2, cell=Changing())
