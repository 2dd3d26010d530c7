"""From files, folders and data frames to sequences."""

from elman.reading.info import Info
from elman.reading.read import read_sequences

__all__ = ["Info", "read_sequences"]
