"""Functions of TensorFlow 1 whose arguments or names TensorFlow 2 has changed."""

from __future__ import annotations

import functools
from typing import Any

from plait.tf import initializers, io, strings
from plait.tf._miscellany import print as tf_print
from plait.tf._module import control_dependencies
from plait.tf._ops import arrays as _arrays
from plait.tf._ops import elementwise as _elementwise
from plait.tf._ops import matrix as _matrix
from plait.tf._ops import random as _random
from plait.tf._ops import reduction as _reduction
from plait.tf._ops import slicing as _slicing
from plait.tf._ops.control import numpy_function
from plait.tf._ops.creation import convert_to_tensor, identity
from plait.tf.compat._scopes import variable_scope


def _old_reduction(function: Any) -> Any:
    @functools.wraps(function)
    def reduce(
        input_tensor: Any,
        axis: Any = None,
        keepdims: Any = None,
        name: Any = None,
        reduction_indices: Any = None,
        keep_dims: Any = None,
    ) -> Any:
        keep = keep_dims if keepdims is None else keepdims
        return function(
            input_tensor, reduction_indices if axis is None else axis, bool(keep), name=name
        )

    return reduce


reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod, reduce_all, reduce_any = (
    _old_reduction(f)
    for f in (
        _reduction.reduce_sum,
        _reduction.reduce_mean,
        _reduction.reduce_max,
        _reduction.reduce_min,
        _reduction.reduce_prod,
        _reduction.reduce_all,
        _reduction.reduce_any,
    )
)
reduce_logsumexp = _old_reduction(_reduction.reduce_logsumexp)


def argmax(
    input: Any,
    axis: Any = None,
    name: Any = None,
    dimension: Any = None,
    output_type: Any = "int64",
) -> Any:
    """The place of the maximum along an axis."""
    return _reduction.argmax(input, axis, output_type, dimension, name=name)


def argmin(
    input: Any,
    axis: Any = None,
    name: Any = None,
    dimension: Any = None,
    output_type: Any = "int64",
) -> Any:
    """The place of the minimum along an axis."""
    return _reduction.argmin(input, axis, output_type, dimension, name=name)


arg_max, arg_min = argmax, argmin


def squeeze(input: Any, axis: Any = None, name: Any = None, squeeze_dims: Any = None) -> Any:
    """Without axes of extent 1."""
    return _arrays.squeeze(input, axis, squeeze_dims, name=name)


def expand_dims(input: Any, axis: Any = None, name: Any = None, dim: Any = None) -> Any:
    """A new axis of extent 1."""
    return _arrays.expand_dims(input, axis, dim, name=name)


def concat(values: Any, axis: Any, name: str = "concat") -> Any:
    """Tensors one after another along an axis."""
    return _arrays.concat(values, axis, name=name)


def where(condition: Any, x: Any = None, y: Any = None, name: Any = None) -> Any:
    """x where the condition holds, y elsewhere; a vector chooses rows."""
    condition = convert_to_tensor(condition)
    if x is not None and condition.shape.rank == 1 and len(convert_to_tensor(x).shape) > 1:
        condition = _arrays.reshape(condition, [-1, *[1] * (len(x.shape) - 1)])
    return _elementwise.where(condition, x, y, name=name)


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Any:
    """The slices along an axis at some places."""
    return _slicing.gather(params, indices, None, axis, batch_dims, name=name)


def div(x: Any, y: Any, name: Any = None) -> Any:
    """x / y; of integers rounded down."""
    held = convert_to_tensor(x)
    return (_elementwise.floordiv if held.dtype.is_integer else _elementwise.truediv)(held, y)


def to_float(x: Any, name: str = "ToFloat") -> Any:
    """As float32."""
    return _elementwise.cast(x, "float32", name=name)


def to_double(x: Any, name: str = "ToDouble") -> Any:
    """As float64."""
    return _elementwise.cast(x, "float64", name=name)


def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """As int32."""
    return _elementwise.cast(x, "int32", name=name)


def to_int64(x: Any, name: str = "ToInt64") -> Any:
    """As int64."""
    return _elementwise.cast(x, "int64", name=name)


def py_func(func: Any, inp: Any, Tout: Any, stateful: bool = True, name: Any = None) -> Any:
    """A Python function of arrays."""
    return numpy_function(func, inp, Tout, name=name)


def multinomial(
    logits: Any, num_samples: Any, seed: Any = None, name: Any = None, output_dtype: Any = None
) -> Any:
    """Classes drawn with probabilities softmax(logits)."""
    return _random.categorical(logits, num_samples, output_dtype, seed, name=name)


def random_normal_initializer(
    mean: float = 0.0, stddev: float = 1.0, seed: Any = None, dtype: Any = None
) -> Any:
    """Normally distributed, with deviation 1 by default."""
    return initializers.RandomNormal(mean, stddev, seed, dtype)


def random_uniform_initializer(
    minval: float = 0.0, maxval: float = 1.0, seed: Any = None, dtype: Any = None
) -> Any:
    """Uniform between 0 and 1 by default."""
    return initializers.RandomUniform(minval, maxval, seed, dtype)


def truncated_normal_initializer(
    mean: float = 0.0, stddev: float = 1.0, seed: Any = None, dtype: Any = None
) -> Any:
    """Normally distributed within two deviations, which are 1 by default."""
    return initializers.TruncatedNormal(mean, stddev, seed, dtype)


def make_template(
    name_: str,
    func_: Any,
    create_scope_now_: bool = False,
    unique_name_: Any = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Any:
    """A function whose variables are made in its first call, and used again later."""
    made: list[Any] = []

    @functools.wraps(func_)
    def call(*args: Any, **given: Any) -> Any:
        scope = made[0] if made else name_
        with variable_scope(scope, reuse=True if made else None) as held:
            if not made:
                made.append(held)
            return func_(*args, **{**kwargs, **given})

    return call


def Print(
    input_: Any,
    data: Any,
    message: Any = None,
    first_n: Any = None,
    summarize: Any = None,
    name: Any = None,
) -> Any:
    """The tensor; printing others whenever it is computed."""
    printed = tf_print(message or "", *data, summarize=summarize or 3)
    with control_dependencies([printed] if printed is not None else []):
        return identity(input_)


log, log1p, sigmoid = _elementwise.log, _elementwise.log1p, _elementwise.sigmoid
mod, rsqrt, ceil = _elementwise.floormod, _elementwise.rsqrt, _elementwise.ceil
floor_div, realdiv, real, imag = (
    _elementwise.floordiv,
    _elementwise.truediv,
    _elementwise.real,
    _elementwise.imag,
)
erf, lgamma, digamma = _elementwise.erf, _elementwise.lgamma, _elementwise.digamma
is_nan, is_inf, is_finite = _elementwise.is_nan, _elementwise.is_inf, _elementwise.is_finite
logical_xor, squared_difference = _elementwise.logical_xor, _elementwise.squared_difference
sub, mul, neg = _elementwise.subtract, _elementwise.multiply, _elementwise.negative
batch_matmul, cross = _matrix.matmul, _matrix.cross
diag, diag_part, trace = _matrix.diag, _matrix.diag_part, _matrix.trace
matrix_inverse, matrix_determinant, matrix_solve = _matrix.inv, _matrix.det, _matrix.solve
matrix_transpose, matrix_diag, matrix_band_part = (
    _matrix.matrix_transpose,
    _matrix.diag,
    _matrix.band_part,
)
cholesky, qr, svd, self_adjoint_eig = _matrix.cholesky, _matrix.qr, _matrix.svd, _matrix.eigh
global_norm = _matrix.global_norm
count_nonzero, bincount, confusion_matrix = (
    _reduction.count_nonzero,
    _reduction.bincount,
    _reduction.confusion_matrix,
)
invert_permutation = _arrays.argsort
reverse_v2 = _arrays.reverse
read_file, write_file, decode_csv, decode_raw = (
    io.read_file,
    io.write_file,
    io.decode_csv,
    io.decode_raw,
)
parse_example, parse_single_example = io.parse_example, io.parse_single_example
FixedLenFeature, VarLenFeature = io.FixedLenFeature, io.VarLenFeature
string_join, string_to_number, as_string = strings.join, strings.to_number, strings.as_string
regex_replace = strings.regex_replace

#: What `tensorflow.compat.v1` has of these.
__all__ = [
    "FixedLenFeature",
    "Print",
    "VarLenFeature",
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "as_string",
    "batch_matmul",
    "bincount",
    "ceil",
    "cholesky",
    "concat",
    "confusion_matrix",
    "count_nonzero",
    "cross",
    "decode_csv",
    "decode_raw",
    "diag",
    "diag_part",
    "digamma",
    "div",
    "erf",
    "expand_dims",
    "floor_div",
    "gather",
    "global_norm",
    "imag",
    "invert_permutation",
    "is_finite",
    "is_inf",
    "is_nan",
    "lgamma",
    "log",
    "log1p",
    "logical_xor",
    "make_template",
    "matrix_band_part",
    "matrix_determinant",
    "matrix_diag",
    "matrix_inverse",
    "matrix_solve",
    "matrix_transpose",
    "mod",
    "mul",
    "multinomial",
    "neg",
    "parse_example",
    "parse_single_example",
    "py_func",
    "qr",
    "random_normal_initializer",
    "random_uniform_initializer",
    "read_file",
    "real",
    "realdiv",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "regex_replace",
    "reverse_v2",
    "rsqrt",
    "self_adjoint_eig",
    "sigmoid",
    "squared_difference",
    "squeeze",
    "string_join",
    "string_to_number",
    "sub",
    "svd",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
    "trace",
    "truncated_normal_initializer",
    "where",
    "write_file",
]
