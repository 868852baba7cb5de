"""Types that scripted functions are annotated with: Python's own, as nothing is scripted here."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  (PyTorch's names)

__all__ = [
    "Any",
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Dict",
    "List",
    "Optional",
    "Tuple",
    "Union",
]


class _BroadcastingList:
    """`BroadcastingList2[int]`: a list of ints, or one int for all of its places."""

    def __getitem__(self, types: Any) -> None:
        """PyTorch's is None too: it is read by the script compiler only."""


BroadcastingList1 = _BroadcastingList()
BroadcastingList2 = _BroadcastingList()
BroadcastingList3 = _BroadcastingList()
