"""Tables that tests read: one that every library can hold, and the libraries."""

import narwhals as nw
import numpy as np

LIBRARIES = ("polars", "pandas", "pyarrow")


def columns_of(rng, lengths, n_features=2):
    """A row a step: ids of text, times, numbers, and a label a sequence."""
    ids = np.repeat([f"m{i}" for i in range(len(lengths))], lengths)
    times = np.concatenate([np.arange(n) for n in lengths])
    values = rng.standard_normal((len(ids), n_features))
    labels = np.repeat(np.where(np.arange(len(lengths)) % 2, "bad", "good"), lengths)
    features = {f"f{name}": values[:, j] for j, name in enumerate("abcdefgh"[:n_features])}
    return {"machine": ids.tolist(), "at": times, **features, "state": labels.tolist()}, values


def frame_of(columns, library="pandas"):
    return nw.to_native(nw.from_dict(columns, backend=library))
