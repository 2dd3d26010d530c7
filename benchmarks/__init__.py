"""What elman's speed is measured by: ``make bench``, or ``python -m benchmarks --help``. For Linux."""
