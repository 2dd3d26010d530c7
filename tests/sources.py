"""Where rows lie, for tests that read them."""

from elman.data.blocks import Files, Part


def two_files(values, folder):
    """The rows of an array in two files, behind something else in the first."""
    (folder / "a").write_bytes(b"head" + values[:31].tobytes())
    (folder / "b").write_bytes(values[31:].tobytes())
    parts = [Part(str(folder / "a"), 4, 31), Part(str(folder / "b"), 0, len(values) - 31)]
    return Files(parts, values.dtype, values.shape[1])
