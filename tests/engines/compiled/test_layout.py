"""Where everything stands, and the digest that compiled code is kept under."""

import runpy
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from elman.engines.compiled import layout
from elman.engines.compiled.layout import Layout
from elman.parameters import Architecture

SOURCE = Path(layout.__file__)


@pytest.fixture
def digest(tmp_path):
    """The digest of a copy of the package."""
    for path in SOURCE.parent.glob("*.py"):
        shutil.copy(path, tmp_path)
    return lambda: runpy.run_path(str(tmp_path / "layout.py"))["SOURCES"]


@pytest.mark.parametrize("name", sorted(path.name for path in SOURCE.parent.glob("*.py")))
def test_digest_is_another_once_a_source_changes(digest, tmp_path, name):
    assert digest() == layout.SOURCES
    with (tmp_path / name).open("a") as file:
        file.write("\n# changed\n")
    assert digest() != layout.SOURCES


def test_digest_is_in_the_type_of_every_layer():
    assert layout.SOURCES in layout.LAYER.names


@pytest.mark.parametrize("lanes", [8, 16, 64])
@pytest.mark.parametrize("bias", [True, False])
def test_places_are_whole_vectors_and_do_not_overlap(lanes, bias):
    cells = ("tanh", "dense", "relu")
    architecture = Architecture(17, (1, 33, 16), cells, 19, bias)
    laid_out = Layout.of(architecture, lanes)
    layers = laid_out.layers
    starts = [layers["forward"], layers["back_down"], layers["back_in_time"]]
    in_order = [int(start) for layer in zip(*starts) for start in layer] + [laid_out.n_weights]
    assert all(a <= b for a, b in pairwise(in_order))
    gradients = [*layers["gradient"].tolist(), laid_out.n_gradients]
    assert all(a < b for a, b in pairwise(gradients))
    rows = [17, 1, 1, 33, 33, 16, 16]
    places = [place for layer in layers for place in (layer["inputs_place"], layer["place"])]
    ends = [place + height for place, height in zip(places, rows)]
    # what a layer gives is what the next takes: they stand at one place
    assert places[1::2][:-1] == places[2::2]
    assert all(end <= place for end, place in zip(ends[:-1:2], places[1::2]))
    assert not any(number % lanes for number in in_order + gradients + places)
    assert laid_out.widest >= 33
    assert laid_out.state_rows == places[-1]
