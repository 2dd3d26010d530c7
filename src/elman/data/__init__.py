"""Where sequences come from, and how a batch of them is laid out for an engine."""

from elman.data.batch import Batch, Divide, Division, Shard, undivided
from elman.data.checking import as_sequences
from elman.data.examples import Examples
from elman.data.files import read_idx, read_npz
from elman.data.frame import Frame
from elman.data.frontend import FrontEnd
from elman.data.sequences import Sequences
from elman.data.targets import Targets
from elman.data.tokens import Vocabulary

__all__ = [
    "Batch",
    "Divide",
    "Division",
    "Examples",
    "Frame",
    "FrontEnd",
    "Sequences",
    "Shard",
    "Targets",
    "Vocabulary",
    "as_sequences",
    "read_idx",
    "read_npz",
    "undivided",
]
