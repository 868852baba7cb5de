"""Random tensors. The numbers are Plait's own: a seed does not give TensorFlow's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert, core_dtype, inner, shape_of, wrap
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype, float32, int32
from plait.tf._tensor import of_array


class _Seeds:
    """The global seed, and one generator for each seed that operations were given."""

    def __init__(self) -> None:
        self.value: int | None = None
        self.generators: dict[int, Any] = {}

    def generator(self, seed: Any) -> Any:
        """None (the default generator) where an operation has no seed."""
        if seed is None:
            return None
        key = int(seed)
        found = self.generators.get(key)
        if found is None:
            found = plait.Generator()
            found.manual_seed(mixed(0 if self.value is None else self.value, key))
            self.generators[key] = found
        return found


seeds = _Seeds()


def mixed(*numbers: int) -> int:
    """A 63-bit seed from several."""
    text = ",".join(str(int(n)) for n in numbers).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1


def set_seed(seed: Any) -> None:
    """Start the default generator, and those of operations with seeds, from a seed anew."""
    seeds.value = int(seed)
    seeds.generators.clear()
    plait.manual_seed(int(seed))


def uniform_like(shape: Any, dtype: Any, seed: Any) -> Any:
    """The core's tensor of numbers uniform in [0, 1)."""
    return plait.rand(shape, generator=seeds.generator(seed), dtype=dtype)


def _uniform(shape: Any, minval: Any, maxval: Any, dtype: Any, generator: Any) -> Any:
    kind = as_dtype(dtype)
    if kind.is_integer:
        if maxval is None:
            raise error(ValueError, "Must specify maxval for integer dtype")
        low, high = int(minval), int(maxval)
        if low >= high:
            raise error(
                errors.InvalidArgumentError,
                f"Need minval < maxval, got {low} >= {high} [Op:RandomUniformInt]",
            )
        return wrap(plait.randint(low, high, shape, generator=generator, dtype=kind.core))
    made = plait.rand(shape, generator=generator, dtype=kind.core)
    low = convert(minval, hint=kind)
    high = convert(1 if maxval is None else maxval, hint=kind)
    if low.ndim == 0 and not float(low) and high.ndim == 0 and float(high) == 1:
        return wrap(made)
    return wrap(made * (high.inner() - low.inner()) + low.inner())


def _normal(shape: Any, mean: Any, stddev: Any, dtype: Any, generator: Any) -> Any:
    kind = as_dtype(dtype)
    made = plait.randn(shape, generator=generator, dtype=kind.core)
    if not (isinstance(stddev, (int, float)) and stddev == 1):
        made = made * convert(stddev, hint=kind).inner()
    if not (isinstance(mean, (int, float)) and mean == 0):
        made = made + convert(mean, hint=kind).inner()
    return wrap(made)


def _truncated(shape: Any, mean: Any, stddev: Any, dtype: Any, generator: Any) -> Any:
    """By the inverse of the distribution function, between minus and plus two deviations."""
    kind = as_dtype(dtype)
    low = 0.022750131948179195  # the normal distribution function at -2
    u = plait.rand(shape, generator=generator, dtype=plait.float64) * (1 - 2 * low) + low
    made = plait.clamp(plait.special.ndtri(u), -2.0, 2.0).to(kind.core)
    return wrap(made * convert(stddev, hint=kind).inner() + convert(mean, hint=kind).inner())


@op
def uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = float32, seed: Any = None
) -> Any:
    """Uniform in [minval, maxval): floats, or integers of an integer dtype."""
    return _uniform(shape_of(shape), minval, maxval, dtype, seeds.generator(seed))


@op
def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32, seed: Any = None
) -> Any:
    """Normally distributed."""
    return _normal(shape_of(shape), mean, stddev, dtype, seeds.generator(seed))


@op
def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32, seed: Any = None
) -> Any:
    """Normally distributed, within two standard deviations of the mean."""
    return _truncated(shape_of(shape), mean, stddev, dtype, seeds.generator(seed))


@op
def shuffle(value: Any, seed: Any = None) -> Any:
    """The slices along the first axis in another order."""
    held = convert(value)
    order = plait.randperm(len(held), generator=seeds.generator(seed))
    if held.dtype.core is None:
        return of_array(held._array()[order.numpy()])
    return wrap(plait.index_select(held.inner(), 0, order))


@op
def categorical(logits: Any, num_samples: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Classes drawn with probabilities softmax(logits): (rows, num_samples), int64."""
    held = inner(logits)
    # The class whose logit plus Gumbel noise is the greatest.
    u = plait.rand(
        (held.shape[0], int(num_samples), held.shape[1]),
        generator=seeds.generator(seed),
        dtype=held.dtype,
    )
    noise = -plait.log(-plait.log(plait.clamp(u, min=plait.finfo(held.dtype).tiny)))
    drawn = plait.argmax(held.detach().unsqueeze(1) + noise, dim=2)
    return wrap(drawn.to(plait.int64 if dtype is None else core_dtype(dtype)))


@op
def gamma(shape: Any, alpha: Any, beta: Any = None, dtype: Any = float32, seed: Any = None) -> Any:
    """Gamma distributed with shape alpha and rate beta: `shape` in front of their axes."""
    engine = _engine(seed)
    a = convert(alpha, hint=dtype)._array()
    b = np.ones(()) if beta is None else convert(beta, hint=dtype)._array()
    a, b = np.broadcast_arrays(a, b)
    drawn = engine.gamma(a, 1.0, (*shape_of(shape), *a.shape)) / b
    return of_array(np.asarray(drawn, core_dtype(dtype).numpy))


@op
def poisson(shape: Any, lam: Any, dtype: Any = float32, seed: Any = None) -> Any:
    """Poisson distributed: `shape` in front of the axes of the rate."""
    rate = convert(lam, hint=float32)._array()
    drawn = _engine(seed).poisson(rate, (*shape_of(shape), *rate.shape))
    return of_array(np.asarray(drawn, core_dtype(dtype).numpy))


def _engine(seed: Any) -> np.random.Generator:
    """A NumPy generator started from the next number of ours."""
    number = plait.randint(0, 2**31 - 1, (2,), generator=seeds.generator(seed)).tolist()
    return np.random.default_rng(number)


def _stateless(seed: Any) -> Any:
    numbers = np.asarray(convert(seed)._array()).reshape(-1)
    if numbers.size != 2:
        raise error(errors.InvalidArgumentError, f"seed must have shape [2], not [{numbers.size}]")
    made = plait.Generator()
    made.manual_seed(mixed(*numbers.tolist()))
    return made


def _of_seed(public: str, draw: Callable[..., Any], first: Any, second: Any) -> Callable[..., Any]:
    def stateless(
        shape: Any,
        seed: Any,
        mean: Any = first,
        stddev: Any = second,
        dtype: Any = float32,
        alg: Any = "auto_select",
    ) -> Any:
        return draw(shape_of(shape), mean, stddev, dtype, _stateless(seed))

    stateless.__name__ = public
    stateless.__doc__ = "The same numbers for the same seed (two integers), whatever came before."
    return op(stateless)


stateless_normal = _of_seed("stateless_normal", _normal, 0.0, 1.0)
stateless_truncated_normal = _of_seed("stateless_truncated_normal", _truncated, 0.0, 1.0)


@op
def stateless_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = float32,
    alg: Any = "auto_select",
) -> Any:
    """Uniform numbers, the same for the same seed (two integers)."""
    return _uniform(shape_of(shape), minval, maxval, dtype, _stateless(seed))


def split(seed: Any, num: int = 2, alg: str = "auto_select") -> Any:
    """`num` seeds from one."""
    numbers = np.asarray(convert(seed)._array()).reshape(-1).tolist()
    made = [[mixed(*numbers, k, j) & 0x7FFFFFFF for j in (0, 1)] for k in range(num)]
    return of_array(np.array(made, np.int32))


def fold_in(seed: Any, data: Any, alg: str = "auto_select") -> Any:
    """A seed from a seed and a number."""
    numbers = np.asarray(convert(seed)._array()).reshape(-1).tolist()
    return of_array(
        np.array([mixed(*numbers, int(data), j) & 0x7FFFFFFF for j in (0, 1)], np.int32)
    )


class Generator:
    """A stream of random numbers of its own."""

    def __init__(self, source: Any = None) -> None:
        self._source = plait.Generator() if source is None else source

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        made = cls()
        made.reset_from_seed(seed)
        return made

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        made = cls()
        made._source.seed()
        return made

    def reset_from_seed(self, seed: Any) -> None:
        self._source.manual_seed(mixed(*np.asarray(convert(seed)._array()).reshape(-1).tolist()))

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32, name: Any = None
    ) -> Any:
        return _normal(shape_of(shape), mean, stddev, dtype, self._source)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32, name: Any = None
    ) -> Any:
        return _truncated(shape_of(shape), mean, stddev, dtype, self._source)

    def uniform(
        self,
        shape: Any,
        minval: Any = 0,
        maxval: Any = None,
        dtype: Any = float32,
        name: Any = None,
    ) -> Any:
        return _uniform(shape_of(shape), minval, maxval, dtype, self._source)

    def split(self, count: int = 1) -> list[Generator]:
        """New generators, each started from the next numbers of this one."""
        made = []
        for _ in range(count):
            numbers = plait.randint(0, 2**31 - 1, (2,), generator=self._source).tolist()
            made.append(Generator.from_seed(numbers))
        return made

    def make_seeds(self, count: int = 1) -> Any:
        drawn = plait.randint(0, 2**31 - 1, (2, count), generator=self._source)
        return wrap(drawn)


_global = Generator(plait.default_generator)


def get_global_generator() -> Generator:
    """The generator that operations without a seed draw from."""
    return _global


def log_uniform_candidates(count: int, classes: int) -> tuple[np.ndarray, Callable[[Any], Any]]:
    """Distinct classes drawn with probability log((k + 2) / (k + 1)) / log(classes + 1), and how
    often a class is expected among those drawn."""
    engine = _engine(None)
    found: dict[int, None] = {}
    tries = 0
    scale = np.log(classes + 1.0)
    while len(found) < min(count, classes):
        tries += 1
        found.setdefault(min(int(np.exp(engine.random() * scale)) - 1, classes - 1))

    def expected(places: Any) -> Any:
        share = plait.log((places + 2) / (places + 1)) / scale
        return -plait.expm1(tries * plait.log1p(-share))

    return np.fromiter(found, np.int64), expected


__all__ = [
    "Generator", "categorical", "fold_in", "gamma", "get_global_generator", "int32", "normal",
    "poisson", "set_seed", "shuffle", "split", "stateless_normal", "stateless_truncated_normal",
    "stateless_uniform", "truncated_normal", "uniform",
]  # fmt: skip
