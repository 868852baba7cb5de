"""Resizing, sampling along grids, and rearranging pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from plait._autocast import full_precision
from plait._tensor import Tensor, scalar_type
from plait.core.functional import sampling, shuffles
from plait.core.ir import dtypes
from plait.core.ir.errors import error, warn
from plait.core.ops.resize import NEAREST, WEIGHTED, resize
from plait.nn.functional._arguments import require_float, require_tensor

_MODE_NAMES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


# -- interpolate ------------------------------------------------------------------------------


def _target_sizes(
    input: Tensor, size: Any, scale_factor: Any
) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """(result extents, the scale factors where those were given)."""
    rank = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise error(ValueError, "only one of size or scale_factor should be defined")
    given = size if size is not None else scale_factor
    if given is None:
        raise error(ValueError, "either size or scale_factor should be defined")
    if isinstance(given, (list, tuple)):
        if len(given) != rank:
            what = (
                f"output size of {size}"
                if size is not None
                else (f"scale_factor of shape {scale_factor}")
            )
            names = "output size" if size is not None else "scale_factor"
            letter = "o" if size is not None else "s"
            raise error(
                ValueError,
                f"Input and {'output' if size is not None else names} must have the same number of "
                "spatial dimensions, but got input with spatial dimensions of "
                f"{list(input.shape[2:])} and {what}. Please provide input tensor in (N, C, d1, "
                f"d2, ...,dK) format and {names} in ({letter}1, {letter}2, ...,{letter}K) format.",
            )
        values = tuple(given)
    else:
        values = (given,) * rank
    if size is not None:
        for n in values:
            if not hasattr(n, "__index__"):
                raise error(
                    TypeError,
                    f"interpolate(): argument 'size' must be int or tuple of ints, received {size}",
                )
        return tuple([n.__index__() for n in values]), None
    scales = tuple([float(s) for s in values])
    return tuple([math.floor(n * s) for n, s in zip(input.shape[2:], scales)]), scales


def _require_mode(input: Tensor, mode: str, align_corners: bool | None) -> None:
    if mode in (*NEAREST, "area") and align_corners is not None:
        raise error(
            ValueError,
            "align_corners option can only be set with the interpolating modes: linear | "
            "bilinear | bicubic | trilinear",
        )
    rank = input.ndim - 2
    if rank not in (1, 2, 3) or mode not in (*NEAREST, *WEIGHTED, "area", "lanczos"):
        raise error(
            NotImplementedError,
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the "
            f"modes: {_MODE_NAMES} (got {mode})",
        )
    if mode == "lanczos":
        raise error(NotImplementedError, "interpolate: mode 'lanczos' is not implemented in Plait")
    if mode in WEIGHTED and WEIGHTED[mode][0] != rank:
        raise error(
            NotImplementedError,
            f"Got {input.ndim}D input, but {mode} mode needs {WEIGHTED[mode][0] + 2}D input",
        )


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """(N, C, *spatial) resized to `size`, or by `scale_factor`.

    mode: "nearest", "nearest-exact", "area", "linear" (1 spatial axis), "bilinear", "bicubic" (2)
    or "trilinear" (3). align_corners: the corner elements keep their places.
    recompute_scale_factor: place elements by the extents, not by the factors given. Raises
    ValueError, RuntimeError, NotImplementedError as PyTorch does.
    """
    require_tensor("interpolate", "input", input, 1)
    _require_mode(input, mode, align_corners)
    sizes, scales = _target_sizes(input, size, scale_factor)
    if recompute_scale_factor:
        if size is not None:
            raise error(
                ValueError, "recompute_scale_factor is not meaningful with an explicit size."
            )
        scales = None
    if antialias and (mode not in ("bilinear", "bicubic") or input.ndim != 4):
        raise error(
            ValueError,
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and "
            "requires a 4-D tensor as input",
        )
    if any(n < 1 for n in (*input.shape[2:], *sizes)):
        raise error(
            RuntimeError,
            "Input and output sizes should be greater than 0, but got input "
            f"({list(input.shape[2:])}) and output ({list(sizes)})",
        )
    if not (mode in NEAREST and input.dtype is dtypes.uint8):
        require_float(f"upsample_{mode}{input.ndim - 2}d", input)
    return resize(input, sizes, mode, bool(align_corners), scales, antialias)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Deprecated name of `interpolate`."""
    warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: `interpolate` by nearest neighbours."""
    warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Deprecated: bilinear `interpolate` with aligned corners."""
    warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# -- grids ------------------------------------------------------------------------------------


def _require_grid(input: Tensor, grid: Tensor, mode: str) -> None:
    shapes = f"input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[:1] != grid.shape[:1]:
        raise error(
            RuntimeError,
            f"grid_sampler(): expected grid and input to have same batch size, but got {shapes}",
        )
    if input.ndim not in (4, 5) or grid.ndim != input.ndim:
        raise error(
            RuntimeError,
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got {shapes}",
        )
    if grid.shape[-1] != input.ndim - 2:
        raise error(
            RuntimeError,
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but "
            f"got grid with sizes {list(grid.shape)}",
        )
    if 0 in input.shape[2:]:
        raise error(
            RuntimeError,
            f"grid_sampler(): expected input to have non-empty spatial dimensions, but got "
            f"{shapes}",
        )
    if mode == "bicubic" and input.ndim == 5:
        raise error(RuntimeError, "grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        raise error(
            RuntimeError,
            f"expected scalar type {scalar_type(input.dtype)} but found "
            f"{scalar_type(grid.dtype)} (grid_sample: input and grid)",
        )


@full_precision
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input (N, C, H, W) at the places of grid (N, h, w, 2), given as (x, y) in [-1, 1].

    Also (N, C, D, H, W) with (N, d, h, w, 3). Gives (N, C, h, w).
    """
    require_tensor("grid_sample", "input", input, 1)
    require_tensor("grid_sample", "grid", grid, 2)
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise error(
            ValueError,
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'",
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise error(
            ValueError,
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'",
        )
    if align_corners is None:
        _warn_align("grid_sample")
    _require_grid(input, grid, mode)
    require_float("grid_sampler_2d_cpu", input)
    return sampling.grid_sample(input, grid, mode, padding_mode, bool(align_corners))


def _warn_align(name: str) -> None:
    warn(
        f"Default {name} and affine_grid behavior has changed to align_corners=False since 1.3.0. "
        "Please specify align_corners=True if the old behavior is desired. See the documentation "
        f"of {name} for details.",
    )


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` of the affine maps theta (N, 2, 3), for results of `size`.

    theta (N, 3, 4) with a size of five axes gives grids in space.
    """
    require_tensor("affine_grid", "theta", theta, 1)
    if theta.dtype.kind != "f":
        raise error(
            ValueError,
            f"Expected theta to have floating point type, but got {theta.dtype}",
        )
    sizes = tuple([n.__index__() for n in size])
    if len(sizes) not in (4, 5):
        raise error(
            NotImplementedError,
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {sizes}.",
        )
    rank = len(sizes) - 2
    if tuple(theta.shape[1:]) != (rank, rank + 1) or theta.ndim != 3:
        raise error(
            ValueError,
            f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size "
            f"{sizes}. Got {theta.size()}.",
        )
    if min(sizes) <= 0:
        raise error(ValueError, f"Expected non-zero, positive output size. Got {sizes}")
    if align_corners is None:
        _warn_align("affine_grid")
    return sampling.affine_grid(theta, sizes[2:], bool(align_corners))


# -- pixels and channels ----------------------------------------------------------------------


def _require_pixels(name: str, input: Tensor, argument: str, factor: int) -> None:
    require_tensor(name, "input", input, 1)
    if input.ndim < 3:
        raise error(
            RuntimeError,
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)",
        )
    if factor <= 0:
        raise error(RuntimeError, f"{name} expects a positive {argument}, but got {factor}")


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) -> (*, C, H r, W r)."""
    _require_pixels("pixel_shuffle", input, "upscale_factor", upscale_factor)
    if input.shape[-3] % upscale_factor**2:
        raise error(
            RuntimeError,
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={input.shape[-3]} is not divisible by "
            f"{upscale_factor**2}",
        )
    return shuffles.pixel_shuffle(input, upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) -> (*, C r^2, H, W)."""
    _require_pixels("pixel_unshuffle", input, "downscale_factor", downscale_factor)
    for what, d in (("height", -2), ("width", -1)):
        if input.shape[d] % downscale_factor:
            raise error(
                RuntimeError,
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but "
                f"input.size({d})={input.shape[d]} is not divisible by {downscale_factor}",
            )
    return shuffles.pixel_unshuffle(input, downscale_factor)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (g, c) of (N, g c, *) exchanged for (c, g)."""
    require_tensor("channel_shuffle", "input", input, 1)
    if input.ndim <= 2:
        raise error(
            RuntimeError,
            f"channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}",
        )
    if groups <= 0 or input.shape[1] % groups:
        raise error(
            RuntimeError,
            f"Number of channels must be divisible by groups. Got {input.shape[1]} channels and "
            f"{groups} groups.",
        )
    return shuffles.channel_shuffle(input, groups)


native_channel_shuffle = channel_shuffle
