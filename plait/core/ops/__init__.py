"""The operations: one record each, by family. Importing this package defines them all."""

from plait.core.ops import (
    contract,
    control,
    conv,
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
    window,
)

__all__ = [
    "contract",
    "control",
    "conv",
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
    "window",
]
