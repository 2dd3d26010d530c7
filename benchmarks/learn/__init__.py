"""How well elman learns with nothing given: ``make learn``, or ``python -m benchmarks.learn --help``."""
