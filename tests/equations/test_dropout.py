"""Masks of dropout: their numbers, and that nothing but what they are for has a part in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman import Dropout
from elman.engines.compiled import masks
from elman.engines.compiled.machine.compiling import entry
from elman.equations.dropout import IN_TIME, UP, number

# The first numbers of SplitMix64 from 1234567 on, as widely published as test vectors.
SPLITMIX64 = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_numbers_are_splitmix64s():
    numbers = number(np.array([1234567], np.uint64), np.arange(5, dtype=np.uint64))
    assert numbers.tolist() == SPLITMIX64


def test_compiled_numbers_are_the_same():
    compiled = [masks.number(np.uint64(1234567), np.uint64(i)) for i in range(5)]
    assert [int(x) for x in compiled] == SPLITMIX64
    assert {type(x) for x in compiled} <= {int, np.uint64}


rates = st.floats(0.01, 0.95)
counts = st.integers(0, 2**63 - 1)


@given(rates, counts, counts, st.integers(0, 20))
def test_a_mask_has_the_share_that_is_asked_for_and_the_mean_one(rate, seed, update, layer):
    mask = Dropout(rate, 0.0, seed, update).mask(UP, layer, np.arange(100), 200)
    assert set(np.unique(mask)) <= {0.0, 1 / (1 - rate)}
    n, dropped = mask.size, (mask == 0).mean()
    assert abs(dropped - rate) < 6 * np.sqrt(rate * (1 - rate) / n)  # a billion to one
    assert abs(mask.mean() - 1) < 6 * np.sqrt(rate / (1 - rate) / n)
    of_units, of_sequences = (mask == 0).mean(axis=1), (mask == 0).mean(axis=0)
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(of_units - rate).max() < 7 * deviation / np.sqrt(100) + 0.02
    assert abs(of_sequences - rate).max() < 7 * deviation / np.sqrt(200) + 0.02


def test_no_rate_has_no_mask():
    assert Dropout(0.0, 0.5, 0, 0).mask(UP, 0, np.arange(3), 4) is None
    assert Dropout(0.5, 0.0, 0, 0).mask(IN_TIME, 0, np.arange(3), 4) is None


def test_a_sequence_keeps_its_mask_whoever_is_beside_it_and_however_many_units_there_are():
    dropout = Dropout(0.5, 0.5, 3, 8)
    whole = dropout.mask(UP, 1, np.arange(50), 30)
    some = np.array([40, 3, 17])
    np.testing.assert_array_equal(dropout.mask(UP, 1, some, 30), whole[:, some])
    np.testing.assert_array_equal(dropout.mask(UP, 1, some, 12), whole[:12, some])


def test_whatever_changes_the_masks_have_nothing_to_do_with_each_other():
    sequences, n = np.arange(100), 100

    def drawn(seed=1, update=2, layer=0, way=UP, shift=0):
        return Dropout(0.5, 0.5, seed, update).mask(way, layer, sequences + shift, n).ravel() > 0

    first = drawn()
    for change in (
        {"seed": 2}, {"update": 3}, {"update": 1, "seed": 2}, {"layer": 1}, {"way": IN_TIME},
        {"layer": 1, "way": IN_TIME}, {"update": 3, "shift": 1}, {"shift": 100},
    ):  # fmt: skip
        agreement = (first == drawn(**change)).mean()
        assert abs(agreement - 0.5) < 6 * 0.5 / np.sqrt(first.size), change
    np.testing.assert_array_equal(first, drawn())
    neighbours = drawn(shift=1).reshape(n, 100)[:, :-1]
    np.testing.assert_array_equal(neighbours, first.reshape(n, 100)[:, 1:])


@entry
def compiled_mask(seed, update, layer, way, sequence, rate, mask):
    """A mask as the engine draws it."""
    key = masks.number(
        masks.key_of_layer(np.uint64(seed), np.uint64(update), np.uint64(layer), way),
        np.uint64(sequence),
    )
    limit = masks.threshold(rate)
    for i in range(len(mask)):
        mask[i] = 0.0 if masks.is_dropped(masks.number(key, np.uint64(i)), limit) else 1.0


@pytest.mark.parametrize("way", [UP, IN_TIME])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.999])
def test_compiled_masks_are_the_same(rate, way):
    for seed, update, layer, sequence in [
        (0, 0, 0, 0),
        (2**63 - 1, 12345, 7, 59_999),
        (5, 1, 1, 3),
    ]:
        mask = np.empty(100)
        compiled_mask(seed, update, layer, way, sequence, rate, mask)
        drawn = Dropout(rate, rate, seed, update).mask(way, layer, np.array([sequence]), 100)
        np.testing.assert_array_equal(mask > 0, drawn[:, 0] > 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate": 1.0}, "dropout.rate must be at least 0 and below 1; got 1.0"),
        ({"recurrent_rate": -0.1}, "dropout.recurrent_rate must be at least 0"),
        ({"rate": np.nan}, "dropout.rate must be at least 0 and below 1; got nan"),
        ({"seed": -1}, "dropout.seed must be a whole number of at least 0"),
        ({"update": 2**63}, "dropout.update must be a whole number of at least 0, below"),
    ],
)
def test_what_cannot_be_dropped_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Dropout(0.5, 0.5, 0, 0)._replace(**changed).checked()
