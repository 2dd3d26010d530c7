"""The types in signatures: two of arrays, and one of the sequences that users pass."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""Numbers in any floating or complex dtype."""

IntArray: TypeAlias = npt.NDArray[np.int64]
"""Labels, lengths, positions."""

SequencesLike: TypeAlias = "Array | Sequence[npt.ArrayLike]"
"""Many sequences: an array (n_samples, n_timesteps, n_features) or a list of 2-D arrays."""
