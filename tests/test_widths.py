"""A processor of another kind computes the same bits. All widths: `make test-widths`."""

import subprocess
import sys

import pytest

import fingerprint
from widths import WIDTHS


@pytest.mark.skipif(not WIDTHS["SSE2"].is_here, reason="this is no x86-64")
def test_processor_without_avx_and_fma_has_the_fingerprints_of_the_table():
    found = subprocess.run(
        [sys.executable, fingerprint.__file__],
        capture_output=True,
        text=True,
        timeout=300,
        env=WIDTHS["SSE2"].environment,
    )
    assert found.stdout.splitlines() == [
        "x86_64, tiles of 4 rows in xmm registers",
        "all fingerprints are those of fingerprints.json",
    ]
