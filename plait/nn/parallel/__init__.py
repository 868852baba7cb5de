"""Wrappers of modules for several devices; on one CPU they hand every call on."""

from plait.nn.parallel.data_parallel import DataParallel
from plait.nn.parallel.distributed import DistributedDataParallel
from plait.nn.parallel.scatter_gather import gather, scatter

__all__ = ["DataParallel", "DistributedDataParallel", "gather", "scatter"]
