"""Random numbers: each draw is a function of its seed, a pair of integers, and of nothing else.

The pair is the key of a counter-based generator (Philox4x32-10), so draws of different seeds are
independent, and a step with draws in it is compiled like any other.
"""

from __future__ import annotations

import math
from typing import Any

from keras.src.backend.config import floatx
from keras.src.random.seed_generator import SeedGenerator as SeedGenerator
from keras.src.random.seed_generator import draw_seed
from keras.src.random.seed_generator import make_default_seed as make_default_seed

import plait as torch
from keras_plait.src.core import convert_to_tensor, to_plait_dtype
from plait.core.ops.random import UNIFORM


def _key(seed: Any) -> Any:
    """The generator's key, int64, of a seed (2,)."""
    state = convert_to_tensor(draw_seed(seed)).to(torch.int64)
    return state[0] * 2**32 + state[1] % 2**32


def _uniform(key: Any, shape: Any, dtype: Any, stream: int = 0) -> Any:
    """Numbers in [0, 1). stream: which of the independent draws of one key."""
    counter = torch.stack([key, torch.full((), stream, dtype=torch.int64)])
    return UNIFORM(counter, shape=tuple(int(e) for e in shape), dtype=dtype)


def _wide(dtype: Any) -> Any:
    """The dtype in which numbers of `dtype` are made."""
    return dtype if dtype is torch.float64 else torch.float32


def _normal(key: Any, shape: Any, dtype: Any, stream: int = 0) -> Any:
    """Standard normal numbers. Source: Box and Muller, A note on the generation of random normal
    deviates (1958)."""
    radius = torch.sqrt(-2 * torch.log1p(-_uniform(key, shape, dtype, stream)))
    return radius * torch.cos(2 * math.pi * _uniform(key, shape, dtype, stream + 1))


def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    dtype = to_plait_dtype(dtype or floatx())
    made = _normal(_key(seed), shape, _wide(dtype))
    return (made * _scale(stddev, made) + _scale(mean, made)).to(dtype)


def _scale(x: Any, beside: Any) -> Any:
    return x if isinstance(x, (int, float)) else convert_to_tensor(x).to(beside.dtype)


def uniform(
    shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    dtype = to_plait_dtype(dtype or floatx())
    made = _uniform(_key(seed), shape, _wide(dtype))
    low, high = _scale(minval, made), _scale(maxval, made)
    return (made * (high - low) + low).to(dtype)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Any:
    """Integers from `minval` to below `maxval`."""
    made = _uniform(_key(seed), shape, torch.float64)
    low = convert_to_tensor(minval).to(torch.float64)
    high = convert_to_tensor(maxval).to(torch.float64)
    return (torch.floor(made * (high - low)) + low).to(to_plait_dtype(dtype))


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Normal numbers within two standard deviations, by the inverse of the distribution."""
    dtype = to_plait_dtype(dtype or floatx())
    bound = math.erf(2 / math.sqrt(2))
    part = (_uniform(_key(seed), shape, _wide(dtype)) * 2 - 1) * bound
    made = torch.clamp(torch.erfinv(part) * math.sqrt(2), -2, 2)
    return (made * _scale(stddev, made) + _scale(mean, made)).to(dtype)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Class numbers (batch, num_samples) by unnormalised log-probabilities (batch, classes).

    Source: the Gumbel-max trick (Gumbel, Statistical theory of extreme values, 1954).
    """
    logits = convert_to_tensor(logits).to(torch.float32)
    shape = (logits.shape[0], num_samples, logits.shape[1])
    drawn = torch.clamp(_uniform(_key(seed), shape, torch.float32), min=2.0**-25)
    noise = -torch.log(-torch.log(drawn))
    return torch.argmax(logits[:, None, :] + noise, -1).to(to_plait_dtype(dtype))


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """`inputs` with a share of `rate` set to zero and the rest scaled up."""
    inputs = convert_to_tensor(inputs)
    if rate == 1.0:
        return torch.zeros_like(inputs)
    if rate == 0.0:
        return inputs
    shape = inputs.shape
    if noise_shape is not None:
        shape = [shape[a] if e is None else e for a, e in enumerate(noise_shape)]
    kept = _uniform(_key(seed), shape, torch.float32) >= rate
    return torch.where(kept, inputs / (1 - rate), 0.0).to(inputs.dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The slices of x along `axis` in random order."""
    x = convert_to_tensor(x)
    order = torch.argsort(_uniform(_key(seed), (x.shape[axis],), torch.float64), stable=True)
    return x.index_select(axis, order)


#: Tries of a rejection method: less than one number in 10^12 is left without a hit.
_TRIES = 24


def _gamma(key: Any, shape: Any, alpha: Any, stream: int = 0) -> Any:
    """Gamma numbers of shape parameter `alpha`. Source: Marsaglia and Tsang, A simple method for
    generating gamma variables (2000)."""
    dtype = alpha.dtype
    alpha = alpha.expand(tuple(shape))
    boosted = torch.where(alpha < 1, alpha + 1, alpha)
    d = boosted - 1 / 3
    c = 1 / torch.sqrt(9 * d)
    tries = (_TRIES, *alpha.shape)
    x = _normal(key, tries, dtype, stream)
    cubed = (1 + c * x) ** 3
    u = _uniform(key, tries, dtype, stream + 2)
    positive = cubed > 0
    safe = torch.where(positive, cubed, 1.0)
    hit = positive & (torch.log1p(-u) < 0.5 * x * x + d - d * safe + d * torch.log(safe))
    first = torch.argmax(hit.to(torch.int32), 0, keepdim=True)
    made = d * torch.gather(safe, 0, first)[0]
    power = torch.log1p(-_uniform(key, alpha.shape, dtype, stream + 3)) / alpha
    return torch.where(alpha < 1, made * torch.exp(power), made)


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    dtype = to_plait_dtype(dtype or floatx())
    alpha = convert_to_tensor(alpha).to(_wide(dtype))
    return _gamma(_key(seed), shape, alpha).to(dtype)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    dtype = to_plait_dtype(dtype or floatx())
    key = _key(seed)
    first = _gamma(key, shape, convert_to_tensor(alpha).to(_wide(dtype)), 0)
    second = _gamma(key, shape, convert_to_tensor(beta).to(_wide(dtype)), 4)
    return (first / (first + second)).to(dtype)


def binomial(
    shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
) -> Any:
    """Hits among `counts` tries of the given probabilities, by counting them."""
    dtype = to_plait_dtype(dtype or floatx())
    counts = convert_to_tensor(counts).to(torch.float32).expand(tuple(shape))
    chance = convert_to_tensor(probabilities).to(torch.float32).expand(tuple(shape))
    most = int(torch.max(counts)) if counts.numel() else 0
    drawn = _uniform(_key(seed), (most, *shape), torch.float32)
    number = torch.arange(most, dtype=torch.float32).reshape(-1, *[1] * len(tuple(shape)))
    return torch.sum((drawn < chance) & (number < counts), 0).to(dtype)
