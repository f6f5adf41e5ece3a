"""Measurements, each of them a ratio within one run, so that they mean the same on another machine."""

import os

# As in `batch.cli.main`, before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
