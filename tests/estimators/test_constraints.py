"""Wrong parameters are refused in one sentence that lists what there is to choose from."""

import pytest
from sklearn.utils._param_validation import InvalidParameterError

from elman import RNNClassifier, RNNRegressor
from elman.equations import CELLS
from elman.training import OPTIMIZERS


@pytest.mark.parametrize(
    ("kind", "name", "value", "wanted"),
    [
        (RNNClassifier, "solver", "adamw", ", ".join(map(repr, OPTIMIZERS))),
        (RNNClassifier, "cell", "elman", ", ".join(map(repr, CELLS))),
        (RNNClassifier, "shuffle", "no", "True or False"),
        (RNNClassifier, "max_iter", 0, "'auto' or a whole number of at least 1"),
        (RNNClassifier, "alpha", -1, "a number of at least 0."),
        (RNNClassifier, "dropout", 1, "a number of at least 0 and below 1."),
        (RNNClassifier, "clip_norm", 0, "a number above 0 or None"),
        (RNNClassifier, "n_jobs", 0, "a whole number of at least 1, -1 or None"),
        (RNNRegressor, "quantile", 1, "a number above 0 and below 1"),
    ],
)
def test_choices_are_listed_in_order(kind, name, value, wanted):
    with pytest.raises(InvalidParameterError) as refused:
        kind(**{name: value}).fit([[[1.0]], [[2.0]]], [0, 1])
    words = str(refused.value)
    assert words.startswith(f"The {name!r} parameter of {kind.__name__} must be ")
    assert wanted in words
    assert words.endswith(f"Got {value!r} instead.")
    assert not set("{}[") & set(words)  # neither sets nor intervals
