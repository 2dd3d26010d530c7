"""How long training is, where nobody says."""

import pytest

from elman.training import batch_size_for, epochs_for


@pytest.mark.parametrize(
    ("n_batches", "n_epochs"),
    [(1, 1500), (4, 375), (7, 215), (64, 24), (150, 10), (151, 10), (938, 10)],
)
def test_epochs_make_the_updates_but_ten_at_least(n_batches, n_epochs):
    assert epochs_for(n_batches) == n_epochs


@pytest.mark.parametrize(
    ("n", "size"),
    [(1, 16), (50, 16), (1024, 16), (1448, 16), (1449, 32), (2896, 32), (2897, 64), (10**6, 64)],
)
def test_batches_grow_with_the_sequences(n, size):
    assert batch_size_for(n) == size
