"""What PyTorch calls the gradient functions of what users write, from the ops that record it."""

from __future__ import annotations

from typing import Any

#: Ops whose names say something else than PyTorch's.
_NAMES = {
    "add_at": "IndexAdd",
    "alias": "Clone",
    "batch_norm": "NativeBatchNorm",
    "broadcast": "Expand",
    "cast": "ToCopy",
    "concat": "Cat",
    "conv": "Convolution",
    "cross_entropy": "NllLoss",
    "layer_norm": "NativeLayerNorm",
    "log1p": "Log1P",
    "pad": "ConstantPadNd",
}
#: Products by the number of axes of the result.
_PRODUCTS = ("Dot", "Mv", "Mm", "Bmm")
#: Reductions: their axes are taken off by a reshape afterwards. Numbers of PyTorch's overloads: of
#: all elements, along axes.
_REDUCTIONS = {
    "sum": ("Sum", 0, 1),
    "mean": ("Mean", 0, 1),
    "prod": ("Prod", 0, 1),
    "max": ("Max", 1, 0),
    "min": ("Min", 1, 0),
}


def grad_name(made: Any) -> str:
    """The name of a grad node: MulBackward0."""
    name = made.op.name
    rank = len(made.output_types[0].shape)
    if name == "reshape":
        return _of_a_reshape(made, rank)
    if name == "dot_general":
        return f"{_PRODUCTS[min(rank, 3)]}Backward0"
    return f"{_NAMES.get(name) or _words(name)}Backward0"


def _words(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _of_a_reshape(made: Any, rank: int) -> str:
    """What a reshape stands for: the end of a reduction, an axis more or less, another view."""
    before = getattr(made.edges[0] and made.edges[0][0], "op", None)
    known = before and _REDUCTIONS.get(before.name)
    if known:
        name, whole, along = known
        return f"{name}Backward{along if rank else whole}"
    if not made.inputs or not made.inputs[0].shape:
        return "ViewBackward0"
    old, new = list(made.inputs[0].shape), list(made.output_types[0].shape)
    if len(old) == len(new) or [n for n in old if n != 1] != [n for n in new if n != 1]:
        return "ViewBackward0"
    if len(new) > len(old):
        return "UnsqueezeBackward0"
    if before is not None and before.name == "slice":
        return "SelectBackward0"
    return "SqueezeBackward0"
