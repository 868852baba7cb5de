"""The module of `linear_cross_entropy`: the last layer of a classifier with its loss."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn.modules.linear import Linear
from plait.nn.modules.loss import _WeightedLoss

__all__ = ["LinearCrossEntropyLoss", "LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_ACCUMULATORS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch would cut `linear_cross_entropy` into pieces to save memory.

    Hints, checked and otherwise not used: what is computed is the same with and without.
    Raises ValueError for a value that PyTorch does not know.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise error(ValueError, f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            count = factor if colon else "1"
            if name != "aspect_ratio" or not count.isdigit() or int(count) == 0:
                raise error(ValueError, f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise error(ValueError, f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype not in _ACCUMULATORS:
            raise error(
                ValueError,
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, "
                f"torch.float64}}, got {self.acc_dtype!r}",
            )


class LinearCrossEntropyLoss(_WeightedLoss):
    """`linear`, a layer of (C * d1 * ... * dK) outputs, and the cross-entropy of its outputs.

    Args:
        in_features: extent of the inputs' last axis.
        num_classes: C.
        out_features: (d1, ..., dK), further axes of the targets.
        bias: whether the layer has one.
        weight, reduction, ignore_index, label_smoothing: as for `CrossEntropyLoss`.
        options: see `LinearCrossEntropyOptions`.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise error(
                RuntimeError,
                f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}",
            )
        if not 0 <= label_smoothing <= 1.0:
            raise error(
                RuntimeError,
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}",
            )
        super().__init__(weight, None, None, reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        outputs = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, outputs, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        layer = self.linear
        shape = (self.num_classes, *self.out_features)
        return F.linear_cross_entropy(
            input,
            layer.weight.reshape(*shape, layer.in_features),
            target,
            linear_bias=None if layer.bias is None else layer.bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        names = ("reduction", "ignore_index", "label_smoothing", "options")
        rest = ", ".join(f"{name}={getattr(self, name)}" for name in names)
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, {rest}"
        )
