"""The older entry to the profiler; see `plait.profiler`."""

from plait.profiler import profile, record_function

__all__ = ["profile", "record_function"]
