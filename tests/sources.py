"""Where rows lie, for tests that read them."""

from elman.data import blocks, rows
from elman.data.blocks import Files, Part

D = 3


def small_blocks(monkeypatch):
    """Blocks of 5 rows in float32, of which 6 are kept, and nothing so small that it is read whole."""
    monkeypatch.setattr(rows, "LARGE", 0)
    monkeypatch.setattr(blocks, "BLOCK", 5 * D * 4)
    monkeypatch.setattr(blocks, "WINDOW", 4 * 5 * D * 4)


def two_files(values, folder):
    """The rows of an array in two files, behind something else in the first."""
    (folder / "a").write_bytes(b"head" + values[:31].tobytes())
    (folder / "b").write_bytes(values[31:].tobytes())
    parts = [Part(str(folder / "a"), 4, 31), Part(str(folder / "b"), 0, len(values) - 31)]
    return Files(parts, values.dtype, values.shape[1])
