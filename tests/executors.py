"""The executors that graphs are tested on: one entry here adds an axis to every record test.

The first entry, the NumPy reference, runs every case. The others run a slice of the cases, chosen
by a hash of the case's name (stable between runs); `PLAIT_TEST_MATRIX=all` runs them all.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from plait.core.ir.graph import Graph
from plait.core.reference import executor as reference_executor

Executor = Callable[[Graph, Sequence[np.ndarray]], list[np.ndarray]]

EXECUTORS: dict[str, Executor] = {
    "reference": reference_executor.run,
}

#: Other executors take one case in so many.
SLICE = 4


def selected(executor: str, case: str) -> bool:
    """Whether this executor runs this case in the present matrix."""
    if executor == "reference" or os.environ.get("PLAIT_TEST_MATRIX") == "all":
        return True
    return zlib.crc32(f"{executor}/{case}".encode()) % SLICE == 0
