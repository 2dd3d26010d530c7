"""Where sequences come from, and how a batch of them is laid out for an engine."""

from elman.data.batch import Shard, Steps, pack
from elman.data.files import read_idx, read_npz
from elman.data.sequences import Sequences, as_sequences

__all__ = ["Sequences", "Shard", "Steps", "as_sequences", "pack", "read_idx", "read_npz"]
