"""What elman computes here is, to the bit, what it computes on any other processor."""

import fingerprint


def test_fingerprints_are_those_of_the_table():
    assert fingerprint.differing() == []
