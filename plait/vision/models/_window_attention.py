"""Attention in windows of an image, shifted or not, as Swin transformers have it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.nn import functional as F

# What keeps a pixel from attending to one that only wrapping around has made its neighbour.
_FAR = -100.0


def shifted_window_attention(
    input: Any,
    qkv_weight: Any,
    proj_weight: Any,
    relative_position_bias: Any,
    window_size: Sequence[int],
    num_heads: int,
    shift_size: Sequence[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Any = None,
    proj_bias: Any = None,
    logit_scale: Any = None,
    training: bool = True,
) -> Any:
    """Self-attention of (N, H, W, C) within windows; gives the same shape.

    The image is padded with zeros to whole windows and rolled by `shift_size`; a direction with
    one window only is not. `relative_position_bias` is (1, heads, window, window), added to the
    logits. With `logit_scale` (heads, 1, 1), the logits are scaled cosines (Swin V2).
    """
    count, height, width, channels = input.shape
    rows, columns = window_size
    x = F.pad(input, (0, 0, 0, -width % columns, 0, -height % rows))
    full = (x.shape[1], x.shape[2])
    shift = tuple(0 if w >= f else s for w, f, s in zip(window_size, full, shift_size))
    if any(shift):
        x = x.roll((-shift[0], -shift[1]), (1, 2))

    grid = (full[0] // rows, full[1] // columns)
    x = x.view(count, grid[0], rows, grid[1], columns, channels).permute(0, 1, 3, 2, 4, 5)
    x = x.reshape(count * grid[0] * grid[1], rows * columns, channels)

    if logit_scale is not None and qkv_bias is not None:
        # Cosine attention has no bias in the keys.
        query, _, value = qkv_bias.chunk(3)
        qkv_bias = plait.cat([query, plait.zeros_like(query), value])
    qkv = F.linear(x, qkv_weight, qkv_bias)
    qkv = qkv.reshape(x.shape[0], x.shape[1], 3, num_heads, channels // num_heads)
    query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    if logit_scale is None:
        logits = (query * (channels // num_heads) ** -0.5) @ key.transpose(-2, -1)
    else:
        logits = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).transpose(-2, -1)
        logits = logits * logit_scale.clamp(max=math.log(100.0)).exp()
    logits = logits + relative_position_bias
    if any(shift):
        mask = plait.from_numpy(_mask(full, (rows, columns), shift)).to(x.dtype)
        logits = logits.view(count, -1, num_heads, x.shape[1], x.shape[1])
        logits = (logits + mask[None, :, None]).view(-1, num_heads, x.shape[1], x.shape[1])
    shares = F.dropout(logits.softmax(-1), attention_dropout, training)
    x = (shares @ value).transpose(1, 2).reshape(x.shape)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), dropout, training)

    x = x.view(count, grid[0], grid[1], rows, columns, channels).permute(0, 1, 3, 2, 4, 5)
    x = x.reshape(count, full[0], full[1], channels)
    if any(shift):
        x = x.roll(shift, (1, 2))
    return x[:, :height, :width]


@lru_cache(maxsize=64)
def _mask(size: tuple[int, int], window: tuple[int, int], shift: tuple[int, ...]) -> np.ndarray:
    """(windows, pixels, pixels) float32: 0 between pixels of one region, else `_FAR`.

    After rolling, the last windows hold what wrapped around from the other side: regions begin
    where the last window does, and where the wrapped part does.
    """
    parts = []
    for full, extent, step in zip(size, window, shift):
        position = np.arange(full)
        parts.append((position >= full - extent).astype(int) + (position >= full - step))
    regions = parts[0][:, None] * 3 + parts[1][None, :]
    rows, columns = window
    regions = regions.reshape(size[0] // rows, rows, size[1] // columns, columns)
    regions = regions.transpose(0, 2, 1, 3).reshape(-1, rows * columns)
    same = regions[:, :, None] == regions[:, None, :]
    return np.where(same, 0.0, _FAR).astype(np.float32)


class ShiftedWindowAttention(nn.Module):
    """`shifted_window_attention` with its weights, and a table of biases by relative position."""

    def __init__(
        self,
        dim: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise error(ValueError, "window_size and shift_size must be of length 2")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self._make_bias()
        self.register_buffer("relative_position_index", _relative_positions(window_size))

    def _make_bias(self) -> None:
        rows, columns = self.window_size
        table = plait.zeros((2 * rows - 1) * (2 * columns - 1), self.num_heads)
        self.relative_position_bias_table = nn.Parameter(table)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_position_bias(self) -> Any:
        """(1, heads, window, window)."""
        return self._arranged(self.relative_position_bias_table)

    def _arranged(self, table: Any) -> Any:
        """Rows of `table` (relative positions, heads), by pairs of pixels."""
        pixels = self.window_size[0] * self.window_size[1]
        bias = table[self.relative_position_index].view(pixels, pixels, -1)
        return bias.permute(2, 0, 1).unsqueeze(0)

    def _attend(self, x: Any, logit_scale: Any = None) -> Any:
        return shifted_window_attention(
            x,
            self.qkv.weight,
            self.proj.weight,
            self.get_relative_position_bias(),
            self.window_size,
            self.num_heads,
            self.shift_size,
            self.attention_dropout,
            self.dropout,
            self.qkv.bias,
            self.proj.bias,
            logit_scale,
            self.training,
        )

    def forward(self, x: Any) -> Any:
        return self._attend(x)


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Cosine attention, whose biases a small network makes of the relative positions."""

    def __init__(
        self,
        dim: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            dim,
            window_size,
            shift_size,
            num_heads,
            qkv_bias,
            proj_bias,
            attention_dropout,
            dropout,
        )
        self.logit_scale = nn.Parameter(plait.log(10 * plait.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if self.qkv.bias is not None:
            with plait.no_grad():
                self.qkv.bias[dim : 2 * dim].zero_()

    def _make_bias(self) -> None:
        self.register_buffer("relative_coords_table", _log_coordinates(self.window_size))

    def get_relative_position_bias(self) -> Any:
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        return 16 * plait.sigmoid(self._arranged(table))

    def forward(self, x: Any) -> Any:
        return self._attend(x, self.logit_scale)


def _relative_positions(window_size: Sequence[int]) -> Any:
    """For each pair of a window's pixels, the row of the table of relative positions; flat."""
    rows, columns = window_size
    row, column = (part.ravel() for part in np.indices((rows, columns)))
    down = row[:, None] - row[None, :] + rows - 1
    right = column[:, None] - column[None, :] + columns - 1
    return plait.from_numpy((down * (2 * columns - 1) + right).ravel().astype(np.int64))


def _log_coordinates(window_size: Sequence[int]) -> Any:
    """(1, 2 rows - 1, 2 columns - 1, 2) relative positions on a logarithmic scale, to 1 at 8."""
    rows, columns = window_size
    down = plait.arange(1 - rows, rows, dtype=plait.float32) / (rows - 1) * 8
    right = plait.arange(1 - columns, columns, dtype=plait.float32) / (columns - 1) * 8
    table = plait.stack(plait.meshgrid(down, right, indexing="ij"), -1).unsqueeze(0)
    return plait.sign(table) * plait.log2(table.abs() + 1.0) / 3.0
