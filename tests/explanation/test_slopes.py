"""What a cell does to errors at a step: block by block, and all slopes of a state at once."""

import numpy as np
import pytest

from elman.equations.cells import CELLS
from elman.explanation import slopes as slopes_module
from elman.explanation.slopes import Exact, slopes, slopes_of_backward


def at_random(cell, shape, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        tuple(rng.standard_normal(shape) for _ in what) for what in (cell.gates, cell.states)
    )


@pytest.mark.parametrize("name", CELLS)
def test_blocks_of_steps_change_no_bit(monkeypatch, name):
    cell = CELLS[name]
    a, before = at_random(cell, (9, 5, 1))
    whole, forward, n_rows = slopes(cell, a, before), type(cell).forward, []

    def looking(self, a, before):
        n_rows.append(len(a[0]))
        return forward(self, a, before)

    monkeypatch.setattr(type(cell), "forward", looking)
    for cached, most in ((1, 1), (10, 2), (40, 8), (1000, 9)):
        n_rows.clear()
        monkeypatch.setattr(slopes_module, "CACHED", cached)
        found = slopes(cell, a, before)
        assert max(n_rows) == most
        assert (found.states == whole.states).all()
        assert (found.inside == whole.inside).all()


@pytest.mark.parametrize("name", CELLS)
def test_errors_go_back_by_the_slopes(name):
    """Not to the bit: each slope of ``backward`` is rounded where it is made."""
    cell = CELLS[name]
    a, before = at_random(cell, (5, 2))
    (_, d), exact = at_random(cell, (5, 2), seed=1), Exact(cell, with_errors=True)
    after, kept = exact.forward(a, before)
    da, d_before = exact.backward(d, kept, after, before)
    expected = slopes_of_backward(cell, kept[2:], after, before)  # (S, G + S, 5, 2)
    found = np.array([*da[: len(cell.gates)], *d_before])
    np.testing.assert_allclose(found, np.einsum("shn,srhn->rhn", d, expected), rtol=1e-11)
    assert all(one is other for one, other in zip(da[len(cell.gates) :], d, strict=True))
