"""Wrappers of modules for several devices; on one CPU they hand every call on."""

from plait.nn.parallel.data_parallel import DataParallel

__all__ = ["DataParallel"]
