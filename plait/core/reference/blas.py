"""NumPy's BLAS on one thread, so that a result does not depend on the machine's cores."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import threading
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

_depth = threading.local()


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's own get/set of its thread count, from the library NumPy's wheel carries."""
    package = os.path.dirname(np.__file__)
    places = (os.path.join(package, "..", "numpy.libs"), os.path.join(package, ".dylibs"))
    for place in places:
        for path in sorted(glob.glob(os.path.join(place, "*openblas*"))):
            library = ctypes.CDLL(path)
            for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", "")):
                get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
                put = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
                if get is not None and put is not None:
                    return get, put
    return None


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Hold BLAS to one thread inside the block; nothing where the BLAS is not OpenBLAS."""
    controls = _controls()
    nested = getattr(_depth, "inside", False)
    if controls is None or nested:
        yield
        return
    get, put = controls
    before = get()
    put(1)
    _depth.inside = True
    try:
        yield
    finally:
        _depth.inside = False
        put(before)
