"""A full disk, anywhere."""

import resource
from contextlib import contextmanager


@contextmanager
def full_disk(n_bytes):
    """Let no file become larger, which says what a disk does that has no more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
