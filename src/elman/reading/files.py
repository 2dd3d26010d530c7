"""The kind of a file, by its first bytes; its name does not matter."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Literal, TypeAlias

from elman._files import open_file
from elman.errors import DataError

Kind: TypeAlias = Literal[
    "npz", "npy", "idx", "safetensors", "parquet", "feather", "ts", "arff", "text"
]

HEAD = 1 << 16  # bytes to look at: enough for a header of thousands of columns


def head_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked if it is packed with gzip.

    Raises
    ------
    DataError
        If it is empty, or damaged.
    OSError
        If there is no such file, or it cannot be read.
    """
    with open_file(path) as stream:
        head = stream.read(HEAD)
        if head[:2] == b"\x1f\x8b":  # gzip (RFC 1952, section 2.3.1)
            stream.seek(0)
            try:
                head = gzip.GzipFile(fileobj=stream).read(HEAD)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(
                    f"{path} is damaged: gzip cannot unpack it ({error}). Fetch the file again."
                ) from None
    if not head:
        raise DataError(f"{path} is empty; expected sequences.")
    return head


def kind_of(path: Path) -> Kind:
    """Find out what a file is.

    Raises
    ------
    DataError
        If it is an Arrow stream, not an Arrow file.
    """
    head = head_of(path)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or path.suffix == ".npz":
        return "npz"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1":
        return "feather"
    if head[:4] == b"\xff\xff\xff\xff":  # Arrow's columnar format, "Encapsulated message format"
        raise DataError(
            f"{path} is an Arrow stream; expected an Arrow file (Feather, version 2). Write it as one: "
            f"polars.read_ipc_stream({str(path)!r}).write_ipc('new.arrow')"
        )
    if head[:2] == b"\0\0" and head[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e":
        return "idx"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40:
        return "safetensors"
    for line in head.splitlines():
        word = line.strip().lower()
        if word[:1] in (b"#", b"%", b""):  # a comment, in .ts and .arff
            continue
        if word.startswith(b"@relation"):
            return "arff"
        if word.startswith(b"@"):
            return "ts"
        break
    return "text"
