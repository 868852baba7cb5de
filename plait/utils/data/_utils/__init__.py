"""The loader's inner parts: collating, fetching, workers, what crosses between processes."""

from . import collate, fetch, worker

__all__ = ["collate", "fetch", "worker"]
