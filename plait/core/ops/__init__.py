"""The operations: one record each, by family. Importing this package defines them all."""

from plait.core.ops import (
    control,
    elementwise,
    index,
    math,
    random,
    reduce,
    scan,
    sort,
    source,
    special,
    view,
)

__all__ = [
    "control",
    "elementwise",
    "index",
    "math",
    "random",
    "reduce",
    "scan",
    "sort",
    "source",
    "special",
    "view",
]
