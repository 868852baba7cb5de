"""The pages of LLVM's library that are in memory: some 40 MB once it has linked a kernel.

They are as they stand in the file, so that the system need not keep them for this process: it maps
them again, mostly from its cache of files, when LLVM works the next time. Linux only; elsewhere
they stay.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator

import numpy as np

_DONTNEED = 4
#: Of a page's word in /proc/self/pagemap (the kernel's Documentation/admin-guide/mm/pagemap.rst):
#: it is in memory or swapped out; it is a file's, not the process's own.
_HELD, _OF_FILE = np.uint64(3 << 62), np.uint64(1 << 61)


def release() -> None:
    """Take the library's pages off the process."""
    if sys.platform != "linux" or "llvmlite.binding.ffi" not in sys.modules:
        return
    from llvmlite.binding import ffi

    libc = ctypes.CDLL(None)
    for start, nbytes in unchanged(ffi.lib._name):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(nbytes), _DONTNEED)


def unchanged(path: str) -> Iterator[tuple[int, int]]:
    """(address, bytes) of the read-only mappings of a file of which this process has changed
    nothing: neither has the loader relocated them, nor a debugger put breakpoints there."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            mappings = [line.split(maxsplit=5) for line in file if line.rstrip().endswith(path)]
        with open("/proc/self/pagemap", "rb", buffering=0) as pages:
            for span, rights, *_ in mappings:
                start, end = [int(address, 16) for address in span.split("-")]
                count = (end - start) // mmap.PAGESIZE
                pages.seek(start // mmap.PAGESIZE * 8)
                words = np.frombuffer(pages.read(8 * count), np.uint64)
                own = ((words & _HELD) != 0) & ((words & _OF_FILE) == 0)
                if "w" not in rights and len(words) == count and not own.any():
                    yield start, end - start
    except OSError:
        return  # what cannot be looked at stays
