"""How long a training is."""

import pytest

from elman import RNNClassifier
from elman.tuning.pace import epochs_and_updates


@pytest.mark.parametrize(
    ("n", "params", "expected"),
    [
        (33, {}, (500, 1500)),  # three batches of 16 an epoch
        (33, {"max_iter": 7}, (7, 21)),
        (100, {"batch_size": 50}, (750, 1500)),
    ],
)
def test_updates_of_a_whole_training(n, params, expected):
    assert epochs_and_updates(RNNClassifier(**params), n) == expected
