"""Random arrays on the host, with the values of PyTorch's CPU generator.

Each function takes a `Generator` and gives an ndarray with the values, bit for bit, that PyTorch
returns from the same generator state, and leaves the generator in PyTorch's state. Exceptions,
where the two use different mathematical functions on the same uniforms: `exponential`, `cauchy` and
`log_normal` (a few units in the last place in float64, mostly equal in float32), `normal` of 16
float64 values or more (see `host_normal`), and `multinomial` without replacement in the rare case
where such a difference reorders two categories. PyTorch means its build for x86-64 with AVX2 or
better: it fuses `u * (high - low) + low` into one rounding, and so do we.

dtypes are NumPy's, bfloat16 being that of ml_dtypes.
"""

import math
from collections.abc import Sequence

import numpy as np

from plait.core.ir.errors import error
from plait.core.runtime import host_kernels
from plait.core.runtime.fused import fma32, fma64
from plait.core.runtime.generator import Generator
from plait.core.runtime.host_normal import fill_normal, scalar_normals

Shape = int | Sequence[int]

# Significand bits: integers up to 2**bits are exact in the dtype.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
# From this range on a draw takes 64 bits, so that `% range` stays nearly uniform (PyTorch's bound).
_WIDE_RANGE = 1 << 28
# From this length on PyTorch shuffles inside out with 64-bit words.
_LONG_PERMUTATION = (2**32 - 1) // 20
_MAX_CATEGORIES = 1 << 24


def uniform(
    gen: Generator,
    shape: Shape,
    dtype: np.dtype | type = np.float32,
    low: float = 0.0,
    high: float = 1.0,
) -> np.ndarray:
    """Uniform values in [low, high): `torch.rand`, `uniform_`. One word each, two in float64.

    16-bit floats are drawn in float32 and rounded. A value that rounds to `high` becomes `low`.
    Raises RuntimeError when low > high or a bound overflows the dtype.
    """
    shape, count = _shape(shape)
    dtype = _floating("uniform", dtype)
    for name, bound in (("from", low), ("to", high)):
        if abs(bound) > _largest(dtype) or math.isnan(bound):
            raise error(RuntimeError, f"uniform_: {name}={bound} is out of bounds for {dtype.name}")
    if low > high:
        raise error(
            RuntimeError,
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}",
        )
    if high - low > _largest(dtype):
        raise error(
            RuntimeError,
            f"uniform_ expects to-from <= {_largest(dtype)} for {dtype.name}, but found "
            f"to={high} and from={low} which result in to-from to exceed the limit",
        )
    if dtype == np.float64:
        values = _unit64(gen, count)
        if (low, high) != (0.0, 1.0):
            values = fma64(values, high - low, low) if low else values * (high - low)
            values[values == high] = low
    else:
        values = _uniform32(gen.words32(count), low, high)
        if dtype != np.float32:
            values = values.astype(dtype)
            values[values == dtype.type(high)] = dtype.type(low)
    return values.reshape(shape)


def _uniform32(words: np.ndarray, low: float, high: float) -> np.ndarray:
    """float32 values of `words`, which may be overwritten; none is `high`."""
    low32, high32 = np.float32(low), np.float32(high)
    if len(words) >= host_kernels.FROM:
        native = host_kernels.uniforms(words, low32, high32)
        if native is not None:
            return native
    values = (words & np.uint32((1 << 24) - 1)).astype(np.float32)
    values *= np.float32(2**-24)
    if (low, high) != (0.0, 1.0):
        values = fma32(values, high32 - low32, low32)
        values[values == high32] = low32
    return values


def normal(
    gen: Generator,
    shape: Shape,
    dtype: np.dtype | type = np.float32,
    mean: float = 0.0,
    std: float = 1.0,
) -> np.ndarray:
    """Normal values: `torch.randn`, `normal_` on a contiguous tensor. Raises on a negative std."""
    shape, count = _shape(shape)
    dtype = _floating("normal", dtype)
    if not std >= 0.0:
        raise error(RuntimeError, f"normal expects std >= 0.0, but found std {std}")
    return fill_normal(gen, count, dtype, float(mean), float(std)).reshape(shape)


def integers(
    gen: Generator, low: int, high: int, shape: Shape, dtype: np.dtype | type = np.int64
) -> np.ndarray:
    """Integers in [low, high), in any real dtype: `torch.randint`, `random_(from, to)`.

    `high` may be 2**63: with low = -2**63 that is the whole of int64. Raises RuntimeError when the
    range is empty or leaves the dtype.
    """
    shape, count = _shape(shape)
    dtype = np.dtype(dtype)
    if low >= high:
        raise error(
            RuntimeError,
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
        )
    smallest, largest = _integer_limits(dtype)
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not smallest <= bound <= largest:
            raise error(RuntimeError, f"random_: {name}={bound} is out of bounds for {dtype.name}")
    span = high - low
    if span >= _WIDE_RANGE:
        words = gen.words64(count)
    else:
        words = gen.words32(count).astype(np.uint64)
    if span < 1 << 64:
        words %= np.uint64(span)
        words += np.uint64(low & 0xFFFF_FFFF_FFFF_FFFF)  # wraps as two's complement does
    return words.view(np.int64).astype(dtype).reshape(shape)


def integers_full(gen: Generator, shape: Shape, dtype: np.dtype | type = np.int64) -> np.ndarray:
    """`random_()` without bounds: 0 up to the largest integer, or the last exact one of a float."""
    shape, count = _shape(shape)
    dtype = np.dtype(dtype)
    if dtype.name in _DIGITS:
        span = (1 << _DIGITS[dtype.name]) + 1
    else:
        span = _integer_limits(dtype)[1] + 1
    wide = dtype.name in ("int64", "float64")
    words = gen.words64(count) if wide else gen.words32(count).astype(np.uint64)
    return (words % np.uint64(span)).astype(dtype).reshape(shape)


def permutation(gen: Generator, n: int) -> np.ndarray:
    """A random permutation of 0..n-1, int64: `torch.randperm`, by Fisher & Yates' shuffle."""
    if n < 0:
        raise error(RuntimeError, f"randperm expects n to be non-negative, but got n={n}")
    if n >= _LONG_PERMUTATION:
        return _inside_out(gen, n)
    steps = max(n - 1, 0)
    targets = gen.words32(steps).astype(np.int64) % np.arange(n, n - steps, -1)
    targets += np.arange(steps)
    # The swaps depend on each other; on a list they cost a third of what they cost on an array.
    order = list(range(n))
    for i, target in enumerate(targets.tolist()):
        order[i], order[target] = order[target], order[i]
    return np.array(order, dtype=np.int64)


def _inside_out(gen: Generator, n: int) -> np.ndarray:
    """The shuffle of long permutations: one 64-bit word per element, the first one included."""
    order = np.empty(n, dtype=np.int64)
    for i in range(n):
        target = int(gen.words64(1)[0]) % (i + 1)
        order[i] = order[target]
        order[target] = i
    return order


def bernoulli(gen: Generator, p: np.ndarray, dtype: np.dtype | type | None = None) -> np.ndarray:
    """1 with probability `p`, elementwise: `torch.bernoulli(p)`, `bernoulli_(p_tensor)`.

    `p` is floating; the result has its shape, and its dtype unless `dtype` says otherwise. float64
    probabilities take two words each, others one. Raises RuntimeError on a p outside [0, 1].
    """
    probabilities = np.asarray(p)
    source = _floating("bernoulli", probabilities.dtype)
    wide = probabilities.astype(np.float64)
    if not ((wide >= 0) & (wide <= 1)).all():
        raise error(
            RuntimeError,
            f"bernoulli expects every p to be in [0, 1], but got values from {np.min(wide)} "
            f"to {np.max(wide)} in a tensor of shape {probabilities.shape}",
        )
    if source == np.float64:
        draws = _unit64(gen, wide.size)
    else:
        draws = uniform(gen, wide.size)
    return (draws.reshape(wide.shape) < wide).astype(source if dtype is None else np.dtype(dtype))


def bernoulli_scalar(
    gen: Generator, shape: Shape, p: float, dtype: np.dtype | type = np.float32
) -> np.ndarray:
    """1 with probability `p`: `bernoulli_(p)`, `torch.bernoulli(x, p)`, dropout's mask.

    Two words an element, in any dtype. Raises RuntimeError on a p outside [0, 1].
    """
    shape, count = _shape(shape)
    if not 0 <= p <= 1:
        raise error(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return (_unit64(gen, count) < p).astype(np.dtype(dtype)).reshape(shape)


def exponential(
    gen: Generator, shape: Shape, dtype: np.dtype | type = np.float32, rate: float = 1.0
) -> np.ndarray:
    """Exponential values of `rate` (PyTorch's lambda): `exponential_`. Two words an element."""
    shape, count = _shape(shape)
    dtype = _floating("exponential", dtype)
    if not rate > 0.0:
        raise error(RuntimeError, f"exponential_ expects lambda > 0.0, but found lambda={rate}")
    # Adding zero turns the -0.0 of an infinite rate into 0.0.
    values = (-1.0 / rate) * np.log1p(-_unit64(gen, count)) + 0.0
    return values.astype(dtype).reshape(shape)


def geometric(
    gen: Generator, shape: Shape, p: float, dtype: np.dtype | type = np.float32
) -> np.ndarray:
    """Trials up to the first success, from 1: `geometric_`. Two words an element."""
    shape, count = _shape(shape)
    if not 0 < p < 1:
        raise error(RuntimeError, f"geometric_ expects p to be in (0, 1), but got p={p}")
    with np.errstate(divide="ignore"):
        values = np.ceil(np.log(_unit64(gen, count)) / math.log1p(-p))
    return values.astype(np.dtype(dtype)).reshape(shape)


def cauchy(
    gen: Generator,
    shape: Shape,
    dtype: np.dtype | type = np.float32,
    median: float = 0.0,
    sigma: float = 1.0,
) -> np.ndarray:
    """Cauchy values: `cauchy_`. Two words an element."""
    shape, count = _shape(shape)
    dtype = _floating("cauchy", dtype)
    if not sigma > 0.0:
        raise error(RuntimeError, f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    values = median + sigma * np.tan(math.pi * (_unit64(gen, count) - 0.5))
    return values.astype(dtype).reshape(shape)


def log_normal(
    gen: Generator,
    shape: Shape,
    dtype: np.dtype | type = np.float32,
    mean: float = 1.0,
    std: float = 2.0,
) -> np.ndarray:
    """exp of normals of `mean` and `std`: `log_normal_`. Draws scalar pairs whatever the size."""
    shape, count = _shape(shape)
    dtype = _floating("log_normal", dtype)
    if not std > 0.0:
        raise error(RuntimeError, f"log_normal_ expects std > 0.0, but found std={std}")
    normals = np.array(scalar_normals(gen, count), dtype=np.float64)
    with np.errstate(over="ignore"):
        return np.exp(fma64(normals, std, mean)).astype(dtype).reshape(shape)


def multinomial(
    gen: Generator, weights: np.ndarray, samples: int, replacement: bool = False
) -> np.ndarray:
    """Category numbers drawn by `weights` (..., categories), 1-d or 2-d: `torch.multinomial`.

    Returns int64 (..., samples). Without replacement, or for one sample, the categories race with
    exponential arrival times (Efraimidis & Spirakis, "Weighted random sampling with a reservoir",
    IPL 97, 2006); with replacement each sample searches the cumulated weights. Raises RuntimeError
    as PyTorch does on weights that are negative, not finite or sum to 0, and on too many samples.
    """
    weights = np.asarray(weights)
    if weights.ndim not in (1, 2):
        raise error(
            RuntimeError,
            f"multinomial: prob_dist must be 1 or 2 dim, but got shape {weights.shape}",
        )
    if weights.dtype.name not in _DIGITS:
        raise error(
            RuntimeError,
            f"multinomial only supports floating-point dtypes for input, got: {weights.dtype}",
        )
    _check_multinomial(weights, samples, replacement)
    rows = weights.reshape(-1, weights.shape[-1])
    if replacement and samples > 1:
        picked = _search_cumulated(gen, rows, samples)
    else:
        arrivals = exponential(gen, rows.shape, weights.dtype)
        with np.errstate(divide="ignore", invalid="ignore"):
            race = rows / arrivals
        race = race.astype(np.float64)
        picked = np.argsort(-race, axis=1, kind="stable")[:, :samples]
    return picked.astype(np.int64).reshape(*weights.shape[:-1], samples)


def _check_multinomial(weights: np.ndarray, samples: int, replacement: bool) -> None:
    categories = weights.shape[-1]
    if samples <= 0:
        raise error(RuntimeError, f"multinomial cannot sample n_sample <= 0 samples, got {samples}")
    if not replacement and samples > categories:
        raise error(
            RuntimeError,
            "multinomial cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"got n_sample={samples} for {categories} categories",
        )
    if categories > _MAX_CATEGORIES:
        raise error(
            RuntimeError, f"multinomial: number of categories cannot exceed 2^24, got {categories}"
        )
    values = weights.astype(np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise error(
            RuntimeError,
            "multinomial: probability tensor contains either `inf`, `nan` or element < 0",
        )
    if (values.sum(axis=-1) <= 0).any():
        raise error(
            RuntimeError,
            "multinomial: invalid multinomial distribution (sum of probabilities <= 0)",
        )


def _search_cumulated(gen: Generator, rows: np.ndarray, samples: int) -> np.ndarray:
    """Draw with replacement; the weights are summed one by one, 16-bit ones in float32."""
    precision = np.float64 if rows.dtype == np.float64 else np.float32
    cumulated = np.cumsum(rows.astype(precision), axis=1)
    cumulated = cumulated / cumulated[:, -1:]
    draws = _unit64(gen, len(rows) * samples).reshape(len(rows), samples)
    picked = [np.searchsorted(c.astype(np.float64), d) for c, d in zip(cumulated, draws)]
    return np.stack(picked) if picked else np.empty((0, samples), dtype=np.int64)


def _unit64(gen: Generator, count: int) -> np.ndarray:
    """Uniform float64 in [0, 1) with 53 random bits."""
    return (gen.words64(count) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53


def _shape(shape: Shape) -> tuple[tuple[int, ...], int]:
    """`shape` as a tuple, and its number of elements."""
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    for size in sizes:
        if size < 0:
            raise error(
                RuntimeError,
                f"Trying to create tensor with negative dimension {size}: {list(sizes)}",
            )
    return sizes, math.prod(sizes)


def _floating(name: str, dtype: np.dtype | type) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype.name not in _DIGITS:
        raise error(
            NotImplementedError,
            f"{name} draws floating dtypes (float16, bfloat16, float32, float64), but got {dtype}",
        )
    return dtype


def _largest(dtype: np.dtype) -> float:
    """The largest finite value of a floating dtype; `np.finfo` does not know bfloat16."""
    if dtype.name == "bfloat16":
        return (2 - 2.0**-7) * 2.0**127
    return float(np.finfo(dtype).max)


def _integer_limits(dtype: np.dtype) -> tuple[int, int]:
    """The integers that a draw may take in `dtype`; never beyond int64."""
    if dtype == np.bool_:
        return 0, 1
    if dtype.name in _DIGITS:
        bound = int(min(_largest(dtype), 2.0**63))
        return -bound, bound
    info = np.iinfo(dtype)
    return int(info.min), int(min(info.max, 2**63 - 1))
