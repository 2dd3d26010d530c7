"""Where everything stands."""

from itertools import pairwise

import numpy as np
import pytest

from elman.engines.compiled.layout import Layout
from elman.parameters import Architecture


@pytest.mark.parametrize("lanes", [8, 16, 64])
@pytest.mark.parametrize("bias", [True, False])
def test_places_are_whole_vectors_and_do_not_overlap(lanes, bias):
    cells = ("tanh", "dense", "relu")
    architecture = Architecture(17, (1, 33, 16), cells, 19, bias)
    laid_out = Layout.of(architecture, lanes)
    layers = laid_out.layers
    starts = [layers["forward"], layers["back_down"], layers["back_in_time"]]
    in_order = [*np.ravel(starts, order="F").tolist(), laid_out.n_weights]  # layer by layer
    assert all(a <= b for a, b in pairwise(in_order))
    gradients = [*layers["gradient"].tolist(), laid_out.n_gradients]
    assert all(a < b for a, b in pairwise(gradients))
    rows = [17, 1, 1, 33, 33, 16, 16, 0]  # the output's are elsewhere
    places = [place for layer in layers for place in (layer["inputs_place"], layer["place"])]
    ends = [place + height for place, height in zip(places, rows, strict=True)]
    # what a layer gives is what the next takes: they stand at one place
    assert places[1::2][:-1] == places[2::2]
    assert all(end <= place for end, place in zip(ends[:-1:2], places[1::2], strict=True))
    assert not any(number % lanes for number in in_order + gradients + places)
    assert laid_out.widest >= 33
    assert laid_out.state_rows == places[-1]
