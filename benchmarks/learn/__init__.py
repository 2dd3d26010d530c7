"""What elman's defaults learn: ``make learn``, or ``python -m benchmarks.learn --help``."""
