"""What the output reads of the steps of a sequence: values and errors, written out by hand."""

import numpy as np
import pytest

from elman import Network, check_gradients
from elman.equations import network as network_equations
from elman.equations.readouts import READOUTS, carry, errors_of_states, read
from elman.parameters import Architecture
from tolerances import BY_HAND, ROUNDING, relative_error

# One unit of two sequences, of which the second ends a step earlier.
H = [np.array([[1.0, -2.0]]), np.array([[4.0, -1.0]]), np.array([[1.0]])]
VALUES = {
    "last": [[1, -2], [4, -1], [1]],
    "mean": [[1, -2], [2.5, -1.5], [2]],
    "max": [[1, -2], [4, -1], [4]],
}
# of an error 6 at the first sequence's step 3, and 10 at the second's step 2
ERRORS = {
    "last": [[0, 0], [0, 10], [6]],
    "mean": [[2, 5], [2, 5], [2]],
    "max": [[0, 0], [6, 10], [0]],
}


@pytest.mark.parametrize("name", READOUTS)
def test_values_and_errors_of_two_sequences(name):
    readout = READOUTS[name]
    carried = carry(readout, H)
    for r_t, expected in zip(read(readout, carried), VALUES[name], strict=True):
        np.testing.assert_array_equal(r_t, [expected])
    dr = [np.array([[0.0, 0]]), np.array([[0.0, 10]]), np.array([[6.0]])]
    for dh_t, expected in zip(errors_of_states(readout, dr, H, carried), ERRORS[name], strict=True):
        np.testing.assert_array_equal(dh_t, [expected])
    assert dr[1].tolist() == [[0, 10]]  # as it was


def test_of_equal_steps_the_first_gets_the_error_of_a_maximum():
    h = [np.array([[0.0]]), np.array([[3.0]]), np.array([[3.0]]), np.array([[2.0]])]
    dr = [np.zeros((1, 1))] * 3 + [np.ones((1, 1))]
    dh = errors_of_states(READOUTS["max"], dr, h, carry(READOUTS["max"], h))
    assert np.ravel(dh).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("name", READOUTS)
def test_answers_at_every_step_read_the_steps_up_to_it(name):
    rng = np.random.default_rng(0)
    h, dr = rng.standard_normal((2, 6, 3, 4))
    carried = carry(READOUTS[name], h)
    of = {"last": lambda x: x[-1], "mean": lambda x: x.mean(axis=0), "max": lambda x: x.max(axis=0)}
    r = [of[name](h[: t + 1]) for t in range(6)]
    assert relative_error(read(READOUTS[name], carried), r) <= ROUNDING

    def loss(h):
        carried = carry(READOUTS[name], h)
        return sum(
            (d * r_t).sum() for d, r_t in zip(dr, read(READOUTS[name], carried), strict=True)
        )

    expected = np.zeros_like(h)
    for place in np.ndindex(h.shape):
        moved = h.astype(complex)
        moved[place] += 1e-20j
        expected[place] = loss(moved).imag / 1e-20
    dh = errors_of_states(READOUTS[name], dr, h, carried)
    assert relative_error(dh, expected) <= BY_HAND


@pytest.mark.parametrize("name", ["mean", "max"])
def test_error_that_is_planted_is_found(name, monkeypatch):
    """The gradient check sees a readout's way back."""
    rng = np.random.default_rng(1)
    network = Network(2, 5, 3, readout=name, engine="reference", seed=0)
    problem = [rng.standard_normal((n, 2)) for n in (4, 7, 1)], [0, 2, 1]
    assert all(check.passed for check in check_gradients(network, *problem))
    monkeypatch.setattr(
        network_equations, "errors_of_states", lambda readout, dr, h, carried: list(dr)
    )
    assert not all(check.passed for check in check_gradients(network, *problem))


def test_architecture_takes_the_readouts_there_are():
    with pytest.raises(ValueError, match="readout must be one of last, mean, max; got 'first'"):
        Network(2, 3, 2, readout="first")
    plain = Architecture(2, (3,), ("tanh",), 2)
    assert "readout" not in plain.settings  # model files from before there were readouts
    for name in READOUTS:
        architecture = Architecture.of(2, 3, "tanh", 2, True, readout=name)
        assert Architecture.from_settings(architecture.settings) == architecture
