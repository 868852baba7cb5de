"""Small things that several models share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from plait import nn
from plait.core.ir.errors import error


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """`v` rounded to a multiple of `divisor`, at least `min_value`, and at least 90 % of `v`."""
    least = divisor if min_value is None else min_value
    rounded = max(least, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


def reset_norm(norm: Any) -> None:
    """Weight 1 and bias 0."""
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of `model` up to the last wanted one, giving what the wanted ones make.

    `return_layers` maps the names of children to the names of the results. The children are called
    in the order in which they were set. Raises ValueError for a name that is no child.
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]) -> None:
        children = OrderedDict(model.named_children())
        if not set(return_layers) <= set(children):
            raise error(ValueError, "return_layers are not present in model")
        last = max(list(children).index(name) for name in return_layers)
        super().__init__(OrderedDict(list(children.items())[: last + 1]))
        self.return_layers = {str(k): str(v) for k, v in return_layers.items()}

    def forward(self, x: Any) -> OrderedDict[str, Any]:
        out: OrderedDict[str, Any] = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
