"""JSON as its standard has it."""

import json
from collections import namedtuple

import numpy as np
import pytest

from elman._json import dumps, jsonable

Pair = namedtuple("Pair", ["left", "right"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": (1, 2.5)}, {"a": [1, 2.5]}),
        (np.array([[1.0, np.nan], [np.inf, -np.inf]]), [[1.0, None], [None, None]]),
        ([np.float32(0.5), np.int64(3), np.bool_(True), np.str_("é")], [0.5, 3, True, "é"]),
        (Pair(float("nan"), np.zeros(2)), {"left": None, "right": [0.0, 0.0]}),
        (np.array(["a", "b"]), ["a", "b"]),
        ([None, True, "NaN"], [None, True, "NaN"]),
    ],
)
def test_what_json_has_comes_of_it(value, expected):
    assert jsonable(value) == expected
    assert json.loads(dumps(value)) == expected


def test_what_json_does_not_have_is_an_error():
    with pytest.raises(TypeError):
        dumps(object())
