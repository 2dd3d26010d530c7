"""Where everything stands."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

from elman.engines.compiled.layout import Layout, layout_of
from elman.parameters import Architecture


@pytest.mark.parametrize("lanes", [8, 16, 64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "cells", [("tanh", "dense", "relu"), ("lstm", "leaky", "gru")], ids="-".join
)
def test_places_are_whole_vectors_and_do_not_overlap(lanes, bias, cells):
    architecture = Architecture(17, (1, 33, 16), cells, 19, bias)
    laid_out = Layout.of(architecture, lanes, np.dtype(np.float32))
    layers, gates = laid_out.layers, laid_out.gates
    assert len(gates) == sum(layers["n_gates"])
    starts = [gates["forward"], gates["back_down"], gates["back_in_time"]]
    in_order = [*np.ravel(starts, order="F").tolist(), laid_out.n_weights]  # gate by gate
    assert all(a <= b for a, b in pairwise(in_order))
    gradients = [*gates["gradient"].tolist(), laid_out.n_gradients]
    assert all(a < b for a, b in pairwise(gradients))
    # what a layer gives is what the next takes: they stand at one place
    assert layers["place"][:-1].tolist() == layers["inputs_place"][1:].tolist()
    first = {"tanh": 1, "dense": 1, "relu": 1, "leaky": 2, "gru": 5, "lstm": 6}
    heights = [first[cell] * rows for cell, rows in zip(cells, layers["rows"], strict=False)]
    places = layers["place"].tolist()
    assert layers["input_rows"][0] == places[0]
    assert [b - a for a, b in pairwise(places)] == heights
    # records of units side by side are a vector longer
    beside = 16 if lanes > 16 else 0
    assert laid_out.state_rows == places[-1] + beside
    errors = {"tanh": 1, "dense": 1, "relu": 1, "leaky": 2, "gru": 5, "lstm": 5}
    heights = [errors[cell] * rows for cell, rows in zip(cells, layers["rows"], strict=False)]
    assert np.diff([*layers["error_place"]]).tolist() == heights
    assert laid_out.error_rows == sum(heights) + beside
    assert not any(number % lanes for number in in_order + gradients + places)
    assert laid_out.widest >= max(33, *(layers["rows"] * layers["n_gates"]))


def test_a_layout_is_pickled_as_what_it_is_made_of():
    """In another process the cells' functions are elsewhere in memory."""
    layout = layout_of(Architecture(2, (3,), ("gru",), 2), 16, np.dtype(np.float32))
    assert layout.__reduce__()[0] is layout_of
    again = pickle.loads(pickle.dumps(layout))
    assert again is layout


@pytest.mark.parametrize("masked", [(True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_what_masks_leave_stands_beside_what_is_stored(masked, bidirectional):
    architecture = Architecture(
        17, (1, 33, 16), ("tanh", "dense", "lstm"), 19, bidirectional=bidirectional
    )
    plain = Layout.of(architecture, 8, np.dtype(np.float64))
    laid_out = Layout.of(architecture, 8, np.dtype(np.float64), masked)
    first = laid_out.layers[: -1 : 2 if bidirectional else 1]  # a layer of each level
    starts = [(row["place"], row["n_stored"]) for row in first]
    for way, has_mask in zip(("up", "in_time"), masked, strict=True):
        recurrent = first["cell_forward"] > 0 if way == "up" else np.array([True, False, True])
        is_there = has_mask & recurrent
        np.testing.assert_array_equal(first[f"{way}_mask"] >= 0, is_there)
        elsewhere = first[f"{way}_place"] != first["place"]
        np.testing.assert_array_equal(elsewhere, is_there)
        starts += [(place, 1) for place in first[f"{way}_place"][is_there]]
    heights = dict(zip([row["place"] for row in first], first["panel_rows"], strict=True))
    starts.sort()
    for (place, n), (after, _) in pairwise([*starts, (laid_out.state_rows, 0)]):
        owner = max(start for start in heights if start <= place)
        assert place + n * heights[owner] == after
    np.testing.assert_array_equal(
        first["up_place"],
        laid_out.layers["inputs_place"][1:][
            (1 if bidirectional else 0) :: 2 if bidirectional else 1
        ][: len(first)],
    )
    rows = laid_out.layers["rows"]
    n_masks = [(laid_out.layers[f"{way}_mask"] >= 0) for way in ("up", "in_time")]
    assert laid_out.mask_rows == sum(rows[has].sum() for has in n_masks)
    assert plain.mask_rows == 0
