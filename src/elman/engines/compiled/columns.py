"""Of a large vocabulary the columns of U that a batch needs: those of the tokens that occur in it.

Copying U for the products, setting a gradient to zero for each shard, and adding these up would each
take as long as the vocabulary is wide. So a batch is computed by a network of its own tokens alone:
that adds the same numbers in the same order, and comes to the same bits. Its gradient is put in place.

Letters: D tokens, B sequences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from elman._typing import IntArray
from elman.data import Batch
from elman.data.rows import runs
from elman.data.tokens import require_tokens
from elman.engines.compiled.summing import Reducer
from elman.parameters import Parameters

MANY = 1024  # columns: with fewer, leaving some out takes longer than it helps


class Occurring(NamedTuple):
    """Some tokens, and a batch of them.

    Attributes
    ----------
    columns : array (n,)
        Of the U of all.
    size : int
        n, rounded up to a power of two: as there are few sizes, layouts and buffers serve again.
    batch : Batch
    """

    columns: IntArray
    size: int
    batch: Batch

    def take(self, parameters: Parameters) -> Parameters:
        """Make of a network of all tokens that of these."""
        return parameters.of_tokens(self.columns, self.size)

    def spread(self, gradients: Parameters, parameters: Parameters) -> Parameters:
        """Put gradients in their places among those of all tokens."""
        spread = Parameters.zeros(parameters.architecture, parameters.vector.dtype)
        for name, spec in parameters.architecture.specs.items():
            if spec.role == "input" and spec.layer == 1:
                spread[name][:, self.columns] = gradients[name][:, : len(self.columns)]
            else:
                spread[name][...] = gradients[name]
        return spread


def occurring(parameters: Parameters, batch: Batch, reducer: Reducer) -> Occurring | None:
    """Find the tokens of a batch, of all processes; None where all columns may as well be taken.

    Raises
    ------
    DataError
        If a step is no token.
    """
    D = parameters.architecture.n_features
    if not parameters.architecture.tokens or D < MANY:
        return None
    rows = runs(batch.starts, batch.lengths)
    own = batch.sequences.values[rows]
    require_tokens(own, D)
    tokens = own.astype(np.int64)
    occurs = np.zeros(D, bool)
    occurs[tokens] = True
    occurs = reducer.any(occurs)
    columns = np.flatnonzero(occurs)
    size = 1 << int(len(columns) - 1).bit_length()
    if 2 * size > D:
        return None
    values = np.empty_like(batch.sequences.values)  # answers stand at the places of the steps
    values[rows] = (np.cumsum(occurs) - 1)[tokens]
    sequences = replace(batch.sequences, values=values)
    return Occurring(columns, size, replace(batch, sequences=sequences))
