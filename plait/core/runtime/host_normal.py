"""Normal draws on the host: the values of PyTorch's CPU `randn` and `normal_`.

PyTorch draws normals in two ways, both Box & Muller's ("A note on the generation of random normal
deviates", Ann. Math. Stat. 29, 1958), and which one depends on the size:

- fewer than 16 values: pairs in float64, the second of a pair kept for the next draw;
- 16 or more: blocks of 16 uniforms, eight radii beside eight angles; a size that is no multiple of
  16 redraws its last 16 values. float16 and bfloat16 are computed in float32 and rounded once.

The float32 blocks use the logarithm, sine and cosine of Moshier's Cephes library (single precision)
with fused multiply-adds, as PyTorch's vector kernels do, and give the same bits as PyTorch on an
x86-64 machine with AVX2; large ones are drawn by native code, to the same bits. In float64 blocks
the logarithm, sine and cosine are NumPy's: within 4 units in the last place of PyTorch's, mostly
equal.
"""

import math

import numpy as np

from plait.core.codegen import box_muller as draws
from plait.core.codegen.box_muller import BLOCK
from plait.core.runtime import host_kernels
from plait.core.runtime.fused import fma32, fma64
from plait.core.runtime.generator import Generator

_HALF_BLOCK = BLOCK // 2
_CHUNK = 1024 * BLOCK  # values at a time, so that temporaries stay in the second-level cache

_LN2_LOW, _LN2_HIGH = np.float32(draws.LN2_LOW), np.float32(draws.LN2_HIGH)
_SQRT_HALF = np.float32(draws.SQRT_HALF)
_FOUR_OVER_PI, _TWO_PI = np.float32(draws.FOUR_OVER_PI), np.float32(draws.TWO_PI)


def scalar_normals(gen: Generator, count: int) -> list[float]:
    """`count` standard normals by pairs in float64, with the generator's kept second normal."""
    values = []
    kept = gen.take_cached_normal() if count else None
    if kept is not None:
        values.append(kept)
    pairs = (count - len(values) + 1) // 2
    uniforms = (gen.words64(2 * pairs) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53
    for u1, u2 in uniforms.reshape(pairs, 2).tolist():
        radius = math.sqrt(-2.0 * math.log1p(-u2))
        theta = 2.0 * math.pi * u1
        values += (radius * math.cos(theta), radius * math.sin(theta))
    if len(values) > count:
        gen.cache_normal(values.pop())
    return values


def fill_normal(gen: Generator, count: int, dtype: np.dtype, mean: float, std: float) -> np.ndarray:
    """`count` normals of `mean` and `std` in `dtype`, a floating one, as PyTorch fills a tensor."""
    if count < BLOCK:
        values = np.array(scalar_normals(gen, count), dtype=np.float64)
        return fma64(values, std, mean).astype(dtype)
    if dtype == np.float64:
        return _fill_float64(gen, count, mean, std)
    if dtype == np.float32:
        values = _float32_normals(gen.words32(count), mean, std)
    else:
        # 16-bit fills draw whole blocks only, and no word for the rest that is redrawn anyway.
        values = np.empty(count, dtype=np.float32)
        whole = count // BLOCK * BLOCK
        values[:whole] = _float32_normals(gen.words32(whole), mean, std)
    if count % BLOCK:
        values[-BLOCK:] = _float32_normals(gen.words32(BLOCK), mean, std)
    return values.astype(dtype, copy=False)


def _float32_normals(words: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normals of the whole blocks of `words`, which may be overwritten; a rest is anything."""
    if len(words) >= host_kernels.FROM:
        values = host_kernels.normals(words, mean, std)
        if values is not None:
            return values
    uniforms = (words & np.uint32((1 << 24) - 1)).astype(np.float32) * np.float32(2**-24)
    return _float32_blocks(uniforms, mean, std)


def _uniform64(gen: Generator, count: int) -> np.ndarray:
    return (gen.words64(count) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53


def _fill_float64(gen: Generator, count: int, mean: float, std: float) -> np.ndarray:
    values = _float64_blocks(_uniform64(gen, count), mean, std)
    if count % BLOCK:
        values[-BLOCK:] = _float64_blocks(_uniform64(gen, BLOCK), mean, std)
    return values


def _float64_blocks(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Turn the whole blocks of uniforms in `values` into normals, in place; a rest stays."""
    blocks = values[: len(values) // BLOCK * BLOCK].reshape(-1, 2, _HALF_BLOCK)
    radius = np.sqrt(-2.0 * np.log(1.0 - blocks[:, 0]))
    theta = 2.0 * math.pi * blocks[:, 1]
    blocks[:, 0] = fma64(radius * np.cos(theta), std, mean)
    blocks[:, 1] = fma64(radius * np.sin(theta), std, mean)
    return values


def _float32_blocks(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    """`_float64_blocks` in float32 arithmetic."""
    std32, mean32 = float(np.float32(std)), float(np.float32(mean))
    whole = len(values) // BLOCK * BLOCK
    for start in range(0, whole, _CHUNK):
        blocks = values[start : min(start + _CHUNK, whole)].reshape(-1, 2, _HALF_BLOCK)
        radius = np.sqrt(np.float32(-2) * log32(np.float32(1) - blocks[:, 0]))
        sine, cosine = sincos32(_TWO_PI * blocks[:, 1])
        blocks[:, 0] = fma32(radius * cosine, std32, mean32)
        blocks[:, 1] = fma32(radius * sine, std32, mean32)
    return values


def log32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of float32 `x`, positive and normal, by Cephes' logf."""
    bits = x.view(np.int32)
    exponent = ((bits >> 23) - 126).astype(np.float32)
    mantissa = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # in [1/2, 1)
    small = mantissa < _SQRT_HALF
    exponent -= small
    t = (mantissa - np.float32(1)) + np.where(small, mantissa, np.float32(0))
    square = t * t
    y = _horner32(draws.LOG_COEFFICIENTS, t) * t
    y = fma32(y, square, exponent * _LN2_LOW)
    y = fma32(square, -0.5, y)
    return fma32(exponent, _LN2_HIGH, t + y)


def sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 `x`, at least 0 and below 2**13, by Cephes' sinf and cosf."""
    octant = (x * _FOUR_OVER_PI).astype(np.int32)
    octant = (octant + 1) & ~1
    multiple = -octant.astype(np.float32)
    for part in draws.PI_FOURTHS:
        x = fma32(multiple, np.float32(part), x)
    square = x * x
    near_zero = fma32(_horner32(draws.SIN_COEFFICIENTS, square) * square, x, x)
    near_one = _horner32(draws.COS_COEFFICIENTS, square) * square
    near_one = fma32(near_one, square, square * np.float32(-0.5)) + np.float32(1)
    swapped = (octant & 2) != 0
    sine = np.where(swapped, near_one, near_zero)
    cosine = np.where(swapped, near_zero, near_one)
    sine = np.where(octant & 4, -sine, sine)
    return sine, np.where((octant + 2) & 4, -cosine, cosine)


def _horner32(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    y: np.ndarray | np.float32 = np.float32(coefficients[0])
    for coefficient in coefficients[1:]:
        y = fma32(x, y, np.float32(coefficient))
    return np.asarray(y)
