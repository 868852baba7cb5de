"""What is loaded of native code, for those that do without it until it is.

To load it costs what to load LLVM does, and to import what loads it some milliseconds: a short
program needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plait.core.runtime.objects import Machine


class _Loaded:
    """machine: for Python objects (see `objects`), once something has asked for it."""

    __slots__ = ("machine",)

    def __init__(self) -> None:
        self.machine: Machine | None = None


loaded = _Loaded()
