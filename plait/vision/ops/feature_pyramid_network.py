"""Feature pyramid networks (arXiv:1612.03144)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.vision.ops.misc import Conv2dNormActivation


class ExtraFPNBlock(nn.Module):
    """Base of what makes further levels of a pyramid: of its levels, the inputs, and the names."""

    def forward(
        self, results: list[Any], x: list[Any], names: list[str]
    ) -> tuple[list[Any], list[str]]:
        raise NotImplementedError


class FeaturePyramidNetwork(nn.Module):
    """A dict of features, finest first, to a dict of features of `out_channels`.

    Args:
        in_channels_list: of the features.
        extra_blocks: makes further, coarser levels.
        norm_layer: after each convolution.
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: Sequence[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        plain: Any = {"norm_layer": norm_layer, "activation_layer": None}
        for channels in in_channels_list:
            if channels == 0:
                raise error(ValueError, "in_channels=0 is currently not supported")
            self.inner_blocks.append(
                Conv2dNormActivation(channels, out_channels, 1, padding=0, **plain)
            )
            self.layer_blocks.append(Conv2dNormActivation(out_channels, out_channels, 3, **plain))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise error(
                TypeError, f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}"
            )
        self.extra_blocks = extra_blocks

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        # Files of version 1 have the convolutions themselves in the lists.
        if (local_metadata.get("version") or 1) < 2:
            for kind in ("inner_blocks", "layer_blocks"):
                for number in range(len(self.inner_blocks)):
                    for part in ("weight", "bias"):
                        old = f"{prefix}{kind}.{number}.{part}"
                        if old in state_dict:
                            new = f"{prefix}{kind}.{number}.0.{part}"
                            state_dict[new] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def forward(self, x: Mapping[str, Any]) -> OrderedDict[str, Any]:
        names, features = list(x), list(x.values())
        results: list[Any] = []
        above = None
        for number in reversed(range(len(features))):
            here = self.inner_blocks[number](features[number])
            if above is not None:
                here = here + F.interpolate(above, size=here.shape[-2:], mode="nearest")
            results.insert(0, self.layer_blocks[number](here))
            above = here
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, features, names)
        return OrderedDict(zip(names, results))


class LastLevelMaxPool(ExtraFPNBlock):
    """One more level, "pool": every other pixel of the last."""

    def forward(
        self, results: list[Any], x: list[Any], names: list[str]
    ) -> tuple[list[Any], list[str]]:
        pooled = F.max_pool2d(results[-1], kernel_size=1, stride=2, padding=0)
        return [*results, pooled], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Two more levels, "p6" and "p7", by strided convolutions (arXiv:1708.02002)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            assert module.bias is not None
            nn.init.constant_(module.bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(
        self, results: list[Any], x: list[Any], names: list[str]
    ) -> tuple[list[Any], list[str]]:
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        return [*results, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]
