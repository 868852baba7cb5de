"""Reference counts of what waits: who holds a node decides what a launch computes."""

from __future__ import annotations

import struct
import sys
from typing import Any

from plait.core.runtime.loaded import loaded


def count_references(objects: list[Any]) -> list[int]:
    return list(map(sys.getrefcount, objects))


#: What the count shows for an object that only the list passed in holds.
UNHELD = count_references([object()])[0]


def references(nodes: list[Any]) -> Any:
    """The references to the nodes of a list that wait, as part of a key."""
    if loaded.machine is not None:
        return loaded.machine.counts(nodes)
    waiting = [node for node in nodes if node is not None and node.value is None]
    counts = [count - UNHELD for count in count_references(waiting)]
    return struct.pack(f"<{len(counts)}i", *counts)
