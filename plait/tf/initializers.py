"""`tf.initializers` and `tf.*_initializer`: functions of a shape and dtype that give tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf._convert import convert, ints
from plait.tf._dtypes import as_dtype, float32
from plait.tf._ops import creation, random
from plait.tf._tensor import of_array


class Initializer:
    """The base: call it with a shape and a dtype."""

    #: Random numbers come from operations with this seed.
    seed: Any = None
    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        kind = as_dtype(dtype if dtype is not None else self.dtype or float32)
        return self.make(ints(shape), kind)

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The tensor."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an initializer like this one."""
        return {name: v for name, v in vars(self).items() if not name.startswith("_")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


class Zeros(Initializer):
    """0 everywhere."""

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return creation.zeros(shape, dtype)


class Ones(Initializer):
    """1 everywhere."""

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return creation.ones(shape, dtype)


class Constant(Initializer):
    """One value, or an array of as many elements."""

    def __init__(self, value: Any = 0, dtype: Any = None, verify_shape: bool = False) -> None:
        self.value = value
        self.dtype = dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return creation.constant(self.value, dtype, shape)


class RandomNormal(Initializer):
    """Normally distributed."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None, dtype: Any = None
    ) -> None:
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


class TruncatedNormal(Initializer):
    """Normally distributed within two standard deviations."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None, dtype: Any = None
    ) -> None:
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(Initializer):
    """Uniform between two bounds."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None, dtype: Any = None
    ) -> None:
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """(inputs, outputs) of a unit: the last two axes times the window before them."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


class VarianceScaling(Initializer):
    """Variance scale / n, with n the number of inputs, outputs or their mean. (Glorot and Bengio,
    AISTATS 2010; He et al., ICCV 2015.)"""

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        dtype: Any = None,
    ) -> None:
        if scale <= 0:
            raise error(ValueError, f"Argument `scale` must be a positive float. Received: {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise error(ValueError, f"Invalid `mode` argument: {mode}")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.seed, self.dtype = seed, dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        inputs, outputs = fans(shape)
        n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        # The deviation of a normal distribution cut off at two of its deviations.
        deviation = math.sqrt(variance) / 0.87962566103423978
        return random.truncated_normal(shape, 0.0, deviation, dtype, self.seed)


def _scaled(scale: float, mode: str, distribution: str, doc: str) -> type:
    class Scaled(VarianceScaling):
        def __init__(self, seed: Any = None, dtype: Any = None) -> None:
            super().__init__(scale, mode, distribution, seed, dtype)

        def get_config(self) -> dict[str, Any]:
            return {"seed": self.seed, "dtype": self.dtype}

    Scaled.__doc__ = doc
    return Scaled


GlorotUniform = _scaled(1.0, "fan_avg", "uniform", "Uniform, by Glorot and Bengio.")
GlorotNormal = _scaled(1.0, "fan_avg", "truncated_normal", "Normal, by Glorot and Bengio.")
HeUniform = _scaled(2.0, "fan_in", "uniform", "Uniform, by He et al.")
HeNormal = _scaled(2.0, "fan_in", "truncated_normal", "Normal, by He et al.")
LecunUniform = _scaled(1.0, "fan_in", "uniform", "Uniform, by LeCun et al.")
LecunNormal = _scaled(1.0, "fan_in", "truncated_normal", "Normal, by LeCun et al.")


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns. (Saxe et al., ICLR 2014.)"""

    def __init__(self, gain: float = 1.0, seed: Any = None, dtype: Any = None) -> None:
        self.gain, self.seed, self.dtype = gain, seed, dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        if len(shape) < 2:
            raise error(
                ValueError,
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape}",
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = random.normal((max(rows, columns), min(rows, columns)), seed=self.seed).numpy()
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diag(r))
        q = q.T if rows < columns else q
        return of_array((self.gain * q).reshape(shape).astype(dtype.core.numpy))


class Identity(Initializer):
    """A matrix with `gain` on its diagonal."""

    def __init__(self, gain: float = 1.0, dtype: Any = None) -> None:
        self.gain, self.dtype = gain, dtype

    def make(self, shape: tuple[int, ...], dtype: Any) -> Any:
        if len(shape) != 2:
            raise error(ValueError, "Identity matrix initializer can only be used for 2D matrices.")
        return creation.eye(*shape, dtype=dtype) * convert(self.gain, dtype)


zeros, ones, constant, identity, orthogonal = Zeros, Ones, Constant, Identity, Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
