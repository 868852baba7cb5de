"""The operations: one record each, by family. Importing this package defines them all."""

from plait.core.ops import (
    activation,
    attention,
    contract,
    conv,
    elementwise,
    loss,
    math,
    norm,
    reduce,
    softmax,
    source,
    special,
    view,
)

__all__ = [
    "activation",
    "attention",
    "contract",
    "conv",
    "elementwise",
    "loss",
    "math",
    "norm",
    "reduce",
    "softmax",
    "source",
    "special",
    "view",
]
