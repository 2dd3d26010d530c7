import os

# Before NumPy loads its BLAS: test processes run side by side, and must not fight over cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Before SciPy is imported: without it one of scikit-learn's checks skips itself.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

from hypothesis import settings

# Examples are drawn from a fixed seed: a test that passed on one machine passes on another.
settings.register_profile("elman", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("elman")
