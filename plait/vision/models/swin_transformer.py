"""Swin transformers (arXiv:2103.14030) and their second version (arXiv:2111.09883)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import plait
from plait import nn
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet
from plait.vision.models._window_attention import (
    ShiftedWindowAttention,
    ShiftedWindowAttentionV2,
)
from plait.vision.ops.misc import MLP, Permute
from plait.vision.ops.stochastic_depth import StochasticDepth
from plait.vision.transforms._interpolation import InterpolationMode

Layer = Callable[..., nn.Module]


def _neighbours(x: Any) -> Any:
    """(..., H, W, C) to (..., H/2, W/2, 4C): each 2x2 square in one row; odd sizes are padded."""
    height, width = x.shape[-3:-1]
    x = nn.functional.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    corners = [x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
    return plait.cat(corners, -1)


class PatchMerging(nn.Module):
    """Half the resolution, twice the channels: norm, then a linear map of each 2x2 square."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Any) -> Any:
        return self.reduction(self.norm(_neighbours(x)))


class PatchMergingV2(nn.Module):
    """As `PatchMerging`, but with the norm after the linear map."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Any) -> Any:
        return self.norm(self.reduction(_neighbours(x)))


class SwinTransformerBlock(nn.Module):
    """Attention in windows and an MLP, each after a norm and beside a shortcut."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim,
            window_size,
            shift_size,
            num_heads,
            attention_dropout=attention_dropout,
            dropout=dropout,
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        widths = [int(dim * mlp_ratio), dim]
        self.mlp = MLP(dim, widths, activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Any) -> Any:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """As `SwinTransformerBlock`, but with cosine attention and norms after attention and MLP."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttentionV2,
    ) -> None:
        super().__init__(
            dim,
            num_heads,
            window_size,
            shift_size,
            mlp_ratio,
            dropout,
            attention_dropout,
            stochastic_depth_prob,
            norm_layer,
            attn_layer,
        )

    def forward(self, x: Any) -> Any:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """(N, 3, H, W) to (N, num_classes).

    Args:
        patch_size: of the first convolution, (height, width).
        embed_dim: channels after it; they double from stage to stage.
        depths, num_heads: of the stages.
        window_size: (height, width); every other block's windows are shifted by half of it.
        stochastic_depth_prob: of the last block; that of the others grows towards it.
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        block = block or SwinTransformerBlock
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch: Any = tuple(patch_size)
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, patch, patch), Permute([0, 2, 3, 1]), norm(embed_dim)
            )
        ]
        total, done, dim = sum(depths), 0, embed_dim
        for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
            if stage > 0:
                layers.append(downsample_layer(dim, norm))
                dim *= 2
            blocks = []
            for number in range(depth):
                shift = [0 if number % 2 == 0 else size // 2 for size in window_size]
                blocks.append(
                    block(
                        dim,
                        heads,
                        window_size=window_size,
                        shift_size=shift,
                        mlp_ratio=mlp_ratio,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth_prob=stochastic_depth_prob * done / max(total - 1, 1),
                        norm_layer=norm,
                    )
                )
                done += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers)
        self.norm = norm(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


class Swin_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_t-704ceda3.pth",
        28_288_354,
        resize_size=232,
        interpolation=InterpolationMode.BICUBIC,
        min_size=224,
    )
    DEFAULT = IMAGENET1K_V1


class Swin_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_s-5e29d889.pth",
        49_606_258,
        resize_size=246,
        interpolation=InterpolationMode.BICUBIC,
        min_size=224,
    )
    DEFAULT = IMAGENET1K_V1


class Swin_B_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_b-68c6b09e.pth",
        87_768_224,
        resize_size=238,
        interpolation=InterpolationMode.BICUBIC,
        min_size=224,
    )
    DEFAULT = IMAGENET1K_V1


class Swin_V2_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_v2_t-b137f0e2.pth",
        28_351_570,
        crop_size=256,
        resize_size=260,
        interpolation=InterpolationMode.BICUBIC,
        min_size=256,
    )
    DEFAULT = IMAGENET1K_V1


class Swin_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_v2_s-637d8ceb.pth",
        49_737_442,
        crop_size=256,
        resize_size=260,
        interpolation=InterpolationMode.BICUBIC,
        min_size=256,
    )
    DEFAULT = IMAGENET1K_V1


class Swin_V2_B_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "swin_v2_b-781e5279.pth",
        87_930_848,
        crop_size=256,
        resize_size=272,
        interpolation=InterpolationMode.BICUBIC,
        min_size=256,
    )
    DEFAULT = IMAGENET1K_V1


def _swin(
    embed_dim: int,
    depths: Sequence[int],
    num_heads: Sequence[int],
    stochastic_depth_prob: float,
    version: int,
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
) -> SwinTransformer:
    fixed: dict[str, Any] = {
        "patch_size": [4, 4],
        "embed_dim": embed_dim,
        "depths": list(depths),
        "num_heads": list(num_heads),
        "window_size": [7, 7] if version == 1 else [8, 8],
        "stochastic_depth_prob": stochastic_depth_prob,
    }
    if version == 2:
        fixed |= {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    return assemble(partial(SwinTransformer, **fixed), weights, progress, options)


@builder(Swin_T_Weights)
def swin_t(
    *, weights: Swin_T_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin-T; `kwargs` are `SwinTransformer`'s."""
    return _swin(96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2, 1, weights, progress, kwargs)


@builder(Swin_S_Weights)
def swin_s(
    *, weights: Swin_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin-S; `kwargs` are `SwinTransformer`'s."""
    return _swin(96, (2, 2, 18, 2), (3, 6, 12, 24), 0.3, 1, weights, progress, kwargs)


@builder(Swin_B_Weights)
def swin_b(
    *, weights: Swin_B_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin-B; `kwargs` are `SwinTransformer`'s."""
    return _swin(128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5, 1, weights, progress, kwargs)


@builder(Swin_V2_T_Weights)
def swin_v2_t(
    *, weights: Swin_V2_T_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """SwinV2-T; `kwargs` are `SwinTransformer`'s."""
    return _swin(96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2, 2, weights, progress, kwargs)


@builder(Swin_V2_S_Weights)
def swin_v2_s(
    *, weights: Swin_V2_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """SwinV2-S; `kwargs` are `SwinTransformer`'s."""
    return _swin(96, (2, 2, 18, 2), (3, 6, 12, 24), 0.3, 2, weights, progress, kwargs)


@builder(Swin_V2_B_Weights)
def swin_v2_b(
    *, weights: Swin_V2_B_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """SwinV2-B; `kwargs` are `SwinTransformer`'s."""
    return _swin(128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5, 2, weights, progress, kwargs)
