import os

# Before NumPy loads its BLAS: test processes run side by side, and must not fight over cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Before SciPy is imported: without it one of scikit-learn's checks skips itself.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import pytest
from hypothesis import settings

# Examples are drawn from a fixed seed: a test that passed on one machine passes on another.
settings.register_profile("elman", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("elman")


@pytest.fixture(autouse=True, scope="session")
def helpers_at_any_time():
    """Threads share work even on a machine so busy that one would be as fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elman.engines.compiled.threads.ALONE", 0)
        yield
