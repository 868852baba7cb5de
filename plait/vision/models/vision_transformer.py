"""The vision transformer (arXiv:2010.11929)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.vision.models._api import WeightsEnum, assemble, builder, imagenet, settle
from plait.vision.ops.misc import MLP, Conv2dNormActivation
from plait.vision.transforms._interpolation import InterpolationMode

Norm = Callable[..., nn.Module]
_NORM = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """A convolution of the stem that may take the place of the patch embedding."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Norm = nn.BatchNorm2d
    activation_layer: Norm = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with a GELU between."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(
            in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        # Files of version 1 name the two layers "linear_1" and "linear_2".
        if (local_metadata.get("version") or 1) < 2:
            for number, index in ((1, 0), (2, 3)):
                for kind in ("weight", "bias"):
                    old = f"{prefix}linear_{number}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{index}.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class EncoderBlock(nn.Module):
    """Self-attention and an MLP, each after a norm and beside a shortcut."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Any) -> Any:
        if input.ndim != 3:
            raise error(
                RuntimeError,
                f"Expected (batch_size, seq_length, hidden_dim) got {tuple(input.shape)}",
            )
        normed = self.ln_1(input)
        attended, _ = self.self_attention(normed, normed, normed, need_weights=False)
        x = self.dropout(attended) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Position embeddings, blocks and a last norm, on (N, seq_length, hidden_dim)."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        positions = plait.empty(1, seq_length, hidden_dim).normal_(std=0.02)  # as BERT has them
        self.pos_embedding = nn.Parameter(positions)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (
                    f"encoder_layer_{number}",
                    EncoderBlock(
                        num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
                    ),
                )
                for number in range(num_layers)
            )
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Any) -> Any:
        if input.ndim != 3:
            raise error(
                RuntimeError,
                f"Expected (batch_size, seq_length, hidden_dim) got {tuple(input.shape)}",
            )
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """(N, 3, image_size, image_size) to (N, num_classes).

    Args:
        representation_size: width of a hidden layer in the head; none if None.
        conv_stem_configs: convolutions in place of the patch embedding (arXiv:2106.14881).

    Raises RuntimeError for images of another size, or a size that is no multiple of the patch's.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm = _NORM,
        conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size != 0:
            raise error(RuntimeError, "Input shape indivisible by patch size!")
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is None:
            self.conv_proj: nn.Module = nn.Conv2d(3, hidden_dim, patch_size, patch_size)
        else:
            self.conv_proj = _stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(plait.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1  # and the class token
        self.encoder = Encoder(
            self.seq_length,
            num_layers,
            num_heads,
            hidden_dim,
            mlp_dim,
            dropout,
            attention_dropout,
            norm_layer,
        )
        if representation_size is None:
            self.heads = nn.Sequential(OrderedDict(head=nn.Linear(hidden_dim, num_classes)))
        else:
            self.heads = nn.Sequential(
                OrderedDict(
                    pre_logits=nn.Linear(hidden_dim, representation_size),
                    act=nn.Tanh(),
                    head=nn.Linear(representation_size, num_classes),
                )
            )
        self._initialize()

    def _initialize(self) -> None:
        last: Any = self.conv_proj
        if isinstance(last, nn.Conv2d):
            fan_in = last.in_channels * last.kernel_size[0] * last.kernel_size[1]
            nn.init.trunc_normal_(last.weight, std=math.sqrt(1 / fan_in))
        else:
            last = last.conv_last
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        hidden: Any = getattr(self.heads, "pre_logits", None)
        if hidden is not None:
            nn.init.trunc_normal_(hidden.weight, std=math.sqrt(1 / hidden.in_features))
            nn.init.zeros_(hidden.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Any) -> Any:
        """The patches' embeddings, (N, patches, hidden_dim)."""
        height, width = x.shape[-2:]
        for name, size in (("height", height), ("width", width)):
            if size != self.image_size:
                raise error(
                    RuntimeError,
                    f"Wrong image {name}! Expected {self.image_size} but got {size}!",
                )
        return self.conv_proj(x).flatten(2).transpose(1, 2)

    def forward(self, x: Any) -> Any:
        x = self._process_input(x)
        x = plait.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1)
        return self.heads(self.encoder(x)[:, 0])


def _stem(configs: Sequence[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    stem = nn.Sequential()
    channels = 3
    for number, config in enumerate(configs):
        stem.add_module(
            f"conv_bn_relu_{number}",
            Conv2dNormActivation(
                channels,
                config.out_channels,
                config.kernel_size,
                config.stride,
                norm_layer=config.norm_layer,
                activation_layer=config.activation_layer,
            ),
        )
        channels = config.out_channels
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, 1))
    return stem


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: OrderedDict[str, Any],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Any]:
    """A state dict whose position embeddings are resized for another size of images.

    `reset_heads` leaves out the head. Raises ValueError for embeddings of no square grid.
    """
    name = "encoder.pos_embedding"
    positions = model_state[name]
    count, length, hidden_dim = positions.shape
    if count != 1:
        raise error(ValueError, f"Unexpected position embedding shape: {tuple(positions.shape)}")
    new_side = image_size // patch_size
    if new_side**2 + 1 == length:
        return model_state
    side = math.isqrt(length - 1)
    if side * side != length - 1:
        raise error(
            ValueError,
            f"seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d = "
            f"{side * side} and seq_length = {length - 1}",
        )
    grid = positions[:, 1:].permute(0, 2, 1).reshape(1, hidden_dim, side, side)
    grid = nn.functional.interpolate(
        grid, size=new_side, mode=interpolation_mode, align_corners=True
    )
    grid = grid.reshape(1, hidden_dim, new_side**2).permute(0, 2, 1)
    state = OrderedDict(
        (key, value)
        for key, value in model_state.items()
        if not (reset_heads and key.startswith("heads"))
    )
    state[name] = plait.cat([positions[:, :1], grid], dim=1)
    return state


class ViT_B_16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_b_16-c867db91.pth", 86_567_656, min_size=224)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_b_16_swag-9ac1b537.pth",
        86_859_496,
        crop_size=384,
        resize_size=384,
        interpolation=InterpolationMode.BICUBIC,
        min_size=384,
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_b_16_lc_swag-4e70ced5.pth",
        86_567_656,
        resize_size=224,
        interpolation=InterpolationMode.BICUBIC,
        min_size=224,
    )
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_b_32-d86f8d99.pth", 88_224_232, min_size=224)
    DEFAULT = IMAGENET1K_V1


class ViT_L_16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_l_16-852ce7e3.pth", 304_326_632, resize_size=242, min_size=224)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_l_16_swag-4f3808c9.pth",
        305_174_504,
        crop_size=512,
        resize_size=512,
        interpolation=InterpolationMode.BICUBIC,
        min_size=512,
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_l_16_lc_swag-4d563306.pth",
        304_326_632,
        resize_size=224,
        interpolation=InterpolationMode.BICUBIC,
        min_size=224,
    )
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vit_l_32-c7638314.pth", 306_535_400, min_size=224)
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "vit_h_14_swag-80465313.pth",
        633_470_440,
        crop_size=518,
        resize_size=518,
        interpolation=InterpolationMode.BICUBIC,
        min_size=518,
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "vit_h_14_lc_swag-c1eb923e.pth",
        632_045_800,
        resize_size=224,
        interpolation=InterpolationMode.BICUBIC,
        min_size=224,
    )
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


def _vision_transformer(
    patch_size: int,
    num_layers: int,
    num_heads: int,
    hidden_dim: int,
    mlp_dim: int,
    weights: WeightsEnum | None,
    progress: bool,
    options: dict[str, Any],
) -> VisionTransformer:
    if weights is not None:
        settle(options, "image_size", weights.meta["min_size"][0])
    options.setdefault("image_size", 224)

    def make(**arguments: Any) -> VisionTransformer:
        return VisionTransformer(
            patch_size=patch_size,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            mlp_dim=mlp_dim,
            **arguments,
        )

    return assemble(make, weights, progress, options)


@builder(ViT_B_16_Weights)
def vit_b_16(
    *, weights: ViT_B_16_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-B on patches of 16 x 16; `kwargs` are `VisionTransformer`'s."""
    return _vision_transformer(16, 12, 12, 768, 3072, weights, progress, kwargs)


@builder(ViT_B_32_Weights)
def vit_b_32(
    *, weights: ViT_B_32_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-B on patches of 32 x 32; `kwargs` are `VisionTransformer`'s."""
    return _vision_transformer(32, 12, 12, 768, 3072, weights, progress, kwargs)


@builder(ViT_L_16_Weights)
def vit_l_16(
    *, weights: ViT_L_16_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-L on patches of 16 x 16; `kwargs` are `VisionTransformer`'s."""
    return _vision_transformer(16, 24, 16, 1024, 4096, weights, progress, kwargs)


@builder(ViT_L_32_Weights)
def vit_l_32(
    *, weights: ViT_L_32_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-L on patches of 32 x 32; `kwargs` are `VisionTransformer`'s."""
    return _vision_transformer(32, 24, 16, 1024, 4096, weights, progress, kwargs)


@builder(ViT_H_14_Weights)
def vit_h_14(
    *, weights: ViT_H_14_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-H on patches of 14 x 14; `kwargs` are `VisionTransformer`'s."""
    return _vision_transformer(14, 32, 16, 1280, 5120, weights, progress, kwargs)
