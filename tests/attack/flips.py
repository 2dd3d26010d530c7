"""Bit flips: one bit, anywhere in any file that elman reads, is another.

A plain IDX file has no checksum, and nobody can tell whether a number in it was another once. So of
it is only asked that what stands in it is read, or that it is refused.
"""

from functools import partial
from itertools import islice

import numpy as np

from attack import files
from elman.data import read_idx

PROMISE = "refused in one sentence, or read as if nothing had happened; never something else"
N = 1000


def tries(rng, scale, folder):
    """Flip a bit, read the file."""
    victims = files.make(folder)
    plain = folder / "plain.idx"
    plain.write_bytes(files.idx_bytes(files.PICTURES))
    victims.append(files.Victim("plain IDX", plain, files.reading(_as_it_stands, plain)))
    for victim in islice(files.in_turn(victims), N * scale):
        position, bit = int(rng.integers(len(victim.content))), int(rng.integers(8))
        damaged = bytearray(victim.content)
        damaged[position] ^= 1 << bit
        yield f"{victim.name}, byte {position}, bit {bit}", partial(victim.with_content, damaged)


def _as_it_stands(path):
    """Read a plain IDX file; say whether that is what stands in it."""
    array = read_idx(path)
    content = path.read_bytes()
    dtype = np.dtype({8: "u1", 9: "i1"}[content[2]])
    shape = np.frombuffer(content, ">u4", content[3], 4)
    numbers = np.frombuffer(content, dtype, offset=4 + 4 * content[3])
    return array.dtype == dtype and np.array_equal(array, numbers.reshape(shape))
