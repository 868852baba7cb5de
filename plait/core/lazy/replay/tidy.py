"""Collections of garbage between two steps, where little is alive.

Python looks for cycles whenever some hundred objects more were made than freed, which is in the
midst of a step: the nodes and grad nodes that wait then are taken for objects that stay, and once
they are many, everything that the process holds is looked through, though they were gone long ago.
To look through the young objects between two steps costs microseconds, and counts as having looked.
"""

from __future__ import annotations

import gc
import sys

from plait.core.lazy.replay.thread import threads

#: Later versions look through old objects bit by bit instead.
_HAS_GENERATIONS = sys.version_info < (3, 14)


def tidy() -> None:
    """Look through the young objects, where nothing is being recorded and Python is soon to."""
    if threads.run is not None or not _HAS_GENERATIONS:
        return
    if 2 * gc.get_count()[1] > gc.get_threshold()[1] and gc.isenabled():
        gc.collect(1)
