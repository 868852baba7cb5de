"""Random numbers.

Host draws (`rand`, `randn`, `randint`, `randperm`, `normal_`, ...) take PyTorch's own mt19937
stream when they are recorded, so that programs print the same numbers as under PyTorch. Draws
inside programs (dropout) are counter-based: see `plait.nn.functional`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from plait._functions.common import public, require_dtype, shape_argument
from plait._functions.conjugation import view_as_complex
from plait._functions.creation import owned
from plait._functions.pointwise import without_slope
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._types import CPU, is_meta, require_cpu, strided
from plait._unbuilt import not_built
from plait.core.batching.levels import Level, running
from plait.core.batching.rules import stacked_samples
from plait.core.functional import arithmetic as fn
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.ir.node import Node
from plait.core.lazy.capture import current, forced
from plait.core.lazy.cell import leaf_of
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.recorder import recorder
from plait.core.ops.bounds import CHECK_RANGE
from plait.core.ops.elementwise import cast
from plait.core.runtime import generator as generators
from plait.core.runtime import host_random as host


class Generator(generators.Generator):
    """A source of random numbers of its own. `device` must be the CPU."""

    def __init__(self, device: Any = "cpu") -> None:
        require_cpu(device)
        super().__init__()

    @property
    def device(self) -> Any:
        return CPU

    def manual_seed(self, seed: int) -> Any:
        """Restart from a seed (see `plait.core.runtime.generator`)."""
        forced("random numbers are seeded")
        return super().manual_seed(seed)

    def get_state(self) -> Any:
        """The state as a uint8 tensor, exchangeable with PyTorch's."""
        forced("the state of random numbers is read")
        return owned(np.array(super().get_state(), copy=True))

    def set_state(self, state: Any) -> Any:
        """Continue from a state."""
        forced("the state of random numbers is set")
        super().set_state(np.array(state.compute() if isinstance(state, Tensor) else state))
        return self


default_generator = Generator()


def source(generator: Any) -> Any:
    """The generator given, or the default one, about to be drawn from."""
    chosen = default_generator if generator is None else generator
    recorder.before_draw(chosen)
    active = current()
    if active is not None:
        active.before_draw(chosen)
    return chosen


def drawn(function: Callable[..., np.ndarray], generator: Any, *args: Any) -> Any:
    """A leaf of what `function(generator, *args)` draws now, and in each later call of a compiled
    step anew. Under `vmap`, as its `randomness` says: a tensor where each sample has its own draws.
    """
    levels = running()
    return (
        _drawn_once(function, generator, args)
        if not levels
        else _drawn_under(levels, function, generator, args)
    )


def next_counters(generator: Any, *shape: int) -> np.ndarray:
    """Counters (seed, offset) for draws inside programs, that follow one another: int64
    (*shape, 2)."""
    if not shape:
        return np.array(generator.next_counter(), np.uint64).view(np.int64)
    count = math.prod(shape)
    seed, offset = generator.next_counter(count)
    counters = np.full((count, 2), seed, np.uint64)
    counters[:, 1] = np.arange(count, dtype=np.uint64) + np.uint64(offset)
    return counters.view(np.int64).reshape(*shape, 2)


def _drawn_once(function: Callable[..., np.ndarray], generator: Any, args: tuple) -> Node:
    chosen = source(generator)

    def draw() -> np.ndarray:
        return np.asarray(function(chosen, *args), order="C")

    node = leaf_of(draw())
    active = current()
    if active is not None:
        active.draw(node, draw, chosen)
    return node


def _drawn_under(
    levels: list[Level], function: Callable[..., np.ndarray], generator: Any, args: tuple
) -> Any:
    if not levels:
        return _drawn_once(function, generator, args)
    at = levels[-1]
    if at.name != "vmap":
        from plait._higher_order_ops import _draws  # in a body, it is loaded

        return _draws.noted(at, function, generator, args)
    if at.randomness == "error":
        raise error(
            RuntimeError,
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap",
        )
    if at.randomness == "same":
        return _drawn_under(levels[:-1], function, generator, args)
    from plait.func._batched import BatchedTensor  # under vmap, it is loaded

    draws = [_drawn_under(levels[:-1], function, generator, args) for _ in range(at.size)]
    return BatchedTensor.of_samples(stacked_samples([_tensor(draw) for draw in draws]), at)


def _tensor(drawn: Any) -> Tensor:
    """What was drawn, as a tensor."""
    return Tensor.of_node(drawn) if type(drawn) is Node else drawn


@public(method=False)
def manual_seed(seed: Any) -> Generator:
    """Seed the default generator."""
    try:
        number = int(seed)
    except (TypeError, ValueError) as fault:
        raise error(
            type(fault), f"manual_seed(): expected a seed that int() takes, received {seed!r}"
        ) from None
    default_generator.manual_seed(number)
    return default_generator


@public(method=False)
def seed() -> int:
    """Seed the default generator from the system's entropy; gives the seed."""
    return default_generator.seed()


@public(method=False)
def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@public(method=False)
def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


@public(method=False)
def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator."""
    default_generator.set_state(new_state)


def _made(draws: Any, kwargs: dict[str, Any]) -> Tensor:
    require_cpu(kwargs.get("device"))
    made = _tensor(draws)
    return made.requires_grad_() if kwargs.get("requires_grad") else made


def _on_meta(shape: Any, dtype: DType, kwargs: dict[str, Any]) -> Any:
    """A meta tensor where one is asked for; then nothing is drawn. None elsewhere."""
    if not is_meta(kwargs.get("device")):
        return None
    from plait._meta import meta  # only where it is asked for

    return meta(shape, dtype, bool(kwargs.get("requires_grad")))


def _float_dtype(name: str, dtype: Any) -> DType:
    wanted = require_dtype(name, dtype) or get_default_dtype()
    if wanted.kind not in "fc":
        raise error(RuntimeError, f"\"{name}\" not implemented for '{wanted.name}'")
    return wanted


def _sizes(name: str, size: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    shape = shape_argument(name, (kwargs.pop("size"),) if "size" in kwargs else size)
    for extent in shape:
        if extent < 0:
            raise error(
                RuntimeError,
                f"Trying to create tensor with negative dimension {extent}: {list(shape)} "
                f"in {name}",
            )
    return shape


#: The dtype of a complex dtype's parts.
_PARTS = {"complex64": dtypes.float32, "complex128": dtypes.float64}


def _of_parts(draw: Any, generator: Any, shape: tuple, dtype: DType, *args: float) -> Tensor:
    """Complex numbers whose real and imaginary parts are drawn one after the other."""
    parts = drawn(draw, generator, (*shape, 2), _PARTS[dtype.name].numpy, *args)
    return view_as_complex(_tensor(parts))


@public(method=False)
def rand(*size: Any, generator: Any = None, dtype: Any = None, **kwargs: Any) -> Tensor:
    """Uniform in [0, 1); of complex dtypes in both parts."""
    shape = _sizes("rand", size, kwargs)
    wanted = _float_dtype("rand", dtype)
    if (made := _on_meta(shape, wanted, kwargs)) is not None:
        return made
    if wanted.is_complex:
        return _made(_of_parts(host.uniform, generator, shape, wanted), kwargs)
    return _made(drawn(host.uniform, generator, shape, wanted.numpy), kwargs)


@public(method=False)
def randn(*size: Any, generator: Any = None, dtype: Any = None, **kwargs: Any) -> Tensor:
    """Standard normal; of complex dtypes with half the variance in each part."""
    shape = _sizes("randn", size, kwargs)
    wanted = _float_dtype("randn", dtype)
    if (made := _on_meta(shape, wanted, kwargs)) is not None:
        return made
    if wanted.is_complex:
        return _made(_of_parts(host.normal, generator, shape, wanted, 0.0, 0.5**0.5), kwargs)
    return _made(drawn(host.normal, generator, shape, wanted.numpy), kwargs)


@public(method=False)
def randint(*args: Any, generator: Any = None, dtype: Any = None, **kwargs: Any) -> Tensor:
    """randint(low=0, high, size): integers in [low, high)."""
    given = list(args)
    size = kwargs.pop("size", None)
    if size is None:
        size = given.pop()
    high = kwargs.pop("high", None)
    low = kwargs.pop("low", None)
    if high is None:
        high = given.pop()
    if low is None:
        low = given.pop() if given else 0
    if low >= high:
        raise error(
            RuntimeError,
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high} in "
            "randint",
        )
    wanted = require_dtype("randint", dtype) or dtypes.int64
    shape = shape_argument("randint", (size,))
    if (made := _on_meta(shape, wanted, kwargs)) is not None:
        return made
    node = drawn(host.integers, generator, int(low), int(high), shape, wanted.numpy)
    return _made(node, kwargs)


@public(method=False)
def randperm(n: int, *, generator: Any = None, dtype: Any = None, **kwargs: Any) -> Tensor:
    """A random permutation of 0 .. n-1."""
    wanted = require_dtype("randperm", dtype) or dtypes.int64
    if n < 0:
        raise error(RuntimeError, f"n must be non-negative in randperm, got {n}")
    if (made := _on_meta((n,), wanted, kwargs)) is not None:
        return made
    return _made(cast(drawn(host.permutation, generator, int(n)), wanted), kwargs)


def _like(name: str, draw: Any) -> Any:
    def create(input: Tensor, **kwargs: Any) -> Tensor:
        kwargs.pop("memory_format", None)
        if input._has_places and kwargs.get("layout") is not strided:
            raise not_built(f"{name} of a sparse tensor without layout=torch.strided")
        kwargs["dtype"] = kwargs.pop("dtype", None) or input.dtype
        if kwargs.get("device") is None:
            kwargs["device"] = input.device
        return draw(tuple(input._shape), **kwargs)

    create.__name__ = name
    create.__doc__ = f"`{draw.__name__}` with the shape and dtype of another tensor."
    return public(create, method=False)


rand_like = _like("rand_like", rand)
randn_like = _like("randn_like", randn)


@public(method=False)
def randint_like(input: Tensor, *bounds: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    """`randint` with the shape and dtype of another tensor."""
    kwargs.pop("memory_format", None)
    if "low" in kwargs or "high" in kwargs:
        bounds = tuple([kwargs.pop(k) for k in ("low", "high") if k in kwargs])
    return randint(*bounds, tuple(input._shape), dtype=dtype or input.dtype, **kwargs)


@public(method=False)
def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, **kwargs: Any
) -> Tensor:
    """Normal with means and standard deviations given as tensors or numbers."""
    if size is not None:
        wanted = _float_dtype("normal", kwargs.pop("dtype", None))
        shape = shape_argument("normal", (size,))
        _require_std(std)
        if (made := _on_meta(shape, wanted, kwargs)) is not None:
            return made
        node = drawn(host.normal, generator, shape, wanted.numpy, float(mean), float(std))
        return _made(node, kwargs)
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    from plait.core.functional.broadcasting import broadcast_shapes

    shape = broadcast_shapes("normal", *[x._shape for x in tensors])
    standard = _tensor(drawn(host.normal, generator, shape, tensors[0].dtype.numpy))
    with grad_mode(False):
        made = standard * std + mean
    return without_slope(made, mean, std)


def _require_std(std: Any) -> None:
    if std < 0:
        raise error(RuntimeError, f"normal expects std >= 0.0, but found std {std}")


@public
def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """1 with the probability given by each element (or p), else 0."""
    if p is not None:
        node = drawn(host.bernoulli_scalar, generator, input._shape, float(p), input.dtype.numpy)
        return _tensor(node)
    return without_slope(_by_chances(input.detach(), generator), input)


def _by_chances(chances: Tensor, generator: Any) -> Tensor:
    """1 with the probability that each element gives, else 0, in its dtype.

    Draws do not depend on the chances, so that a step that computes them need not wait for them.
    """
    if chances.dtype.kind != "f":
        raise error(
            NotImplementedError, f"bernoulli: not implemented for {chances.dtype} probabilities"
        )
    sure = CHECK_RANGE(
        chances,
        low=0.0,
        high=1.0,
        fault="RuntimeError",
        message="Expected p_in >= 0 && p_in <= 1 to be true in bernoulli, received {value}",
    )
    wide = dtypes.float64 if chances.dtype is dtypes.float64 else dtypes.float32
    units = _tensor(drawn(host.uniform, generator, chances._shape, wide.numpy))
    return cast(fn.less(units, cast(sure, wide)), chances.dtype)


@public
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Tensor:
    """Row-wise draws of positions with probability proportional to the (non-negative) weights."""
    if input.ndim not in (1, 2) or input.dtype.kind != "f":
        raise error(
            RuntimeError,
            f"multinomial only supports floating-point dtypes with 1 or 2 dimensions, got "
            f"{input.dtype}{list(input._shape)}",
        )
    weights = input.compute()
    if not np.isfinite(weights).all() or (weights < 0).any():
        bad = weights[~(np.isfinite(weights) & (weights >= 0))]
        raise error(
            RuntimeError,
            "probability tensor contains either `inf`, `nan` or element < 0 in multinomial, "
            f"received {float(bad[0])}",
        )
    if (weights.sum(-1) <= 0).any():
        raise error(RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and num_samples > input._shape[-1]:
        raise error(
            RuntimeError,
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement in "
            f"multinomial: {num_samples} of {input._shape[-1]}",
        )
    return _tensor(drawn(_places, generator, weights, num_samples, replacement))


def _places(generator: Any, weights: np.ndarray, num_samples: int, replacement: bool) -> np.ndarray:
    return np.asarray(host.multinomial(generator, weights, num_samples, replacement), np.int64)


# -- in-place draws ---------------------------------------------------------------------------


def _write(self: Tensor, function: Any, generator: Any, *args: Any) -> Tensor:
    return self.assign(drawn(function, generator, *args))


def _uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **kwargs: Any
) -> Tensor:
    """Write uniform draws from [from, to)."""
    low = kwargs.get("from", kwargs.get("a", from_))
    high = kwargs.get("b", to)
    if low > high:
        raise error(
            RuntimeError,
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}",
        )
    return _write(self, host.uniform, generator, self._shape, self.dtype.numpy, low, high)


def _normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write normal draws."""
    _require_std(std)
    shape, dtype = self._shape, self.dtype.numpy
    return _write(self, host.normal, generator, shape, dtype, float(mean), float(std))


def _random_(self: Tensor, *bounds: int, generator: Any = None, **kwargs: Any) -> Tensor:
    """Write integers: over the dtype's range, or from [from, to)."""
    given = [kwargs[k] for k in ("from", "to") if k in kwargs] or list(bounds)
    if not given:
        return _write(self, host.integers_full, generator, self._shape, self.dtype.numpy)
    low, high = (0, given[0]) if len(given) == 1 else given
    if high is None:
        high = 2**63 - 1
    return _write(self, host.integers, generator, low, high, self._shape, self.dtype.numpy)


def _bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Write 0/1 draws with probability p (a number or a tensor)."""
    if isinstance(p, Tensor):
        chances: Any = p.detach()
        chances = chances.expand(self._shape)  # which refuses other shapes before a draw
        return self.assign(_by_chances(chances, generator))
    if not 0 <= p <= 1:
        raise error(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return _write(self, host.bernoulli_scalar, generator, self._shape, float(p), self.dtype.numpy)


def _exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Write exponential draws of rate lambd."""
    return _write(self, host.exponential, generator, self._shape, self.dtype.numpy, lambd)


def _geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Write numbers of trials up to the first success, each of probability p."""
    return _write(self, host.geometric, generator, self._shape, float(p), self.dtype.numpy)


def _cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None
) -> Tensor:
    """Write Cauchy draws."""
    shape, dtype = self._shape, self.dtype.numpy
    return _write(self, host.cauchy, generator, shape, dtype, float(median), float(sigma))


def _log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None
) -> Tensor:
    """Write exponentials of normal draws."""
    shape, dtype = self._shape, self.dtype.numpy
    return _write(self, host.log_normal, generator, shape, dtype, float(mean), float(std))


for _method in (
    *(_uniform_, _normal_, _random_, _bernoulli_, _exponential_),
    *(_geometric_, _cauchy_, _log_normal_),
):
    setattr(Tensor, _method.__name__[1:], _method)
