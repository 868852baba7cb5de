"""TensorFlow's face: `import plait.tf as tf`, or `import tensorflow as tf` under `plait run`.

Tensors, variables, tapes, functions and data sets of TensorFlow 2, with the names of TensorFlow 1
under `tf.compat.v1` and, for programs older than that, at the top as well. It records into the same
graphs as the PyTorch face, and compiles by the same means.
"""

from __future__ import annotations

import importlib as _importlib
from typing import Any as _Any

from plait import version as _version
from plait._unbuilt import NotBuilt as _NotBuilt
from plait.tf import (
    autograph,
    bitwise,
    config,
    data,
    debugging,
    distribute,
    dtypes,
    errors,
    image,
    initializers,
    io,
    linalg,
    lookup,
    math,
    nest,
    nn,
    random,
    signal,
    strings,
    summary,
    test,
    train,
)  # fmt: skip
from plait.tf._dtypes import (
    DType,
    as_dtype,
    bfloat16,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
)  # fmt: skip
from plait.tf._dtypes import bool_ as bool
from plait.tf._function import function
from plait.tf._graph import Graph, Operation
from plait.tf._miscellany import executing_eagerly, get_logger, is_tensor, print, timestamp
from plait.tf._module import Module, control_dependencies, device, init_scope, name_scope
from plait.tf._names import UNBUILT as _UNBUILT
from plait.tf._ops import operators as _operators
from plait.tf._ops.arrays import (
    argsort,
    broadcast_to,
    concat,
    ensure_shape,
    expand_dims,
    pad,
    rank,
    repeat,
    reshape,
    reverse,
    roll,
    searchsorted,
    sequence_mask,
    shape,
    shape_n,
    size,
    sort,
    split,
    squeeze,
    stack,
    tile,
    transpose,
    unique,
    unique_with_counts,
    unstack,
)  # fmt: skip
from plait.tf._ops.control import (
    case,
    cond,
    foldl,
    foldr,
    group,
    map_fn,
    no_op,
    numpy_function,
    py_function,
    scan,
    switch_case,
    vectorized_map,
    while_loop,
)  # fmt: skip
from plait.tf._ops.control import tuple_ as tuple
from plait.tf._ops.creation import (
    constant,
    convert_to_tensor,
    eye,
    fill,
    identity,
    linspace,
    meshgrid,
    one_hot,
    ones,
    ones_like,
    range,
    stop_gradient,
    zeros,
    zeros_like,
)  # fmt: skip
from plait.tf._ops.elementwise import (
    abs,
    acos,
    acosh,
    add,
    add_n,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitcast,
    cast,
    clip_by_norm,
    clip_by_value,
    complex,
    cos,
    cosh,
    divide,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    pow,
    round,
    saturate_cast,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    truediv,
    where,
)  # fmt: skip
from plait.tf._ops.matrix import clip_by_global_norm, einsum, matmul, tensordot
from plait.tf._ops.reduction import (
    argmax,
    argmin,
    cumsum,
    norm,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
)  # fmt: skip
from plait.tf._ops.segments import dynamic_partition, dynamic_stitch
from plait.tf._ops.slicing import (
    boolean_mask,
    gather,
    gather_nd,
    scatter_nd,
    strided_slice,
    tensor_scatter_nd_add,
    tensor_scatter_nd_max,
    tensor_scatter_nd_min,
    tensor_scatter_nd_sub,
    tensor_scatter_nd_update,
)  # fmt: skip
from plait.tf._ops.slicing import slice_ as slice
from plait.tf._ops.tensor_array import TensorArray
from plait.tf._shape import TensorShape, TensorSpec, TypeSpec
from plait.tf._sparse import SparseTensor, SparseTensorSpec
from plait.tf._tape import GradientTape, UnconnectedGradients, custom_gradient, recompute_grad
from plait.tf._tensor import Tensor
from plait.tf._variable import IndexedSlices, Variable
from plait.tf.debugging import Assert, assert_equal, assert_greater, assert_less, assert_rank
from plait.tf.initializers import Constant as constant_initializer
from plait.tf.initializers import Ones as ones_initializer
from plait.tf.initializers import RandomNormal as random_normal_initializer
from plait.tf.initializers import RandomUniform as random_uniform_initializer
from plait.tf.initializers import Zeros as zeros_initializer
from plait.tf.math import truncatediv, truncatemod

#: The version of TensorFlow whose interface is followed.
__version__ = _version.TENSORFLOW_INTERFACE
newaxis = None
mod = math.floormod

#: Modules that load when they are first used.
_LATE = frozenset(["compat", "queue", "ragged", "saved_model", "sparse"])


class version:
    """The version of TensorFlow whose interface is followed."""

    VERSION = __version__
    GIT_VERSION = "plait"
    COMPILER_VERSION = "plait"
    GRAPH_DEF_VERSION = 0


def __getattr__(name: str) -> _Any:
    """Modules that load late, `tf.keras`, and the names of TensorFlow 1."""
    if name in _LATE:
        return _importlib.import_module(f"plait.tf.{name}")
    if name in ("RaggedTensor", "RaggedTensorSpec"):
        return getattr(_importlib.import_module("plait.tf.ragged"), name)
    if name == "keras":
        return _importlib.import_module("plait.tf.keras")
    if name in ("losses", "metrics", "optimizers"):
        return getattr(_importlib.import_module("plait.tf.keras"), name)
    if name in _UNBUILT:
        raise _NotBuilt(f"tf.{name} is not built in Plait yet")
    if not name.startswith("_"):
        from plait.tf.compat import v1

        if name in v1.OLD_NAMES:
            return v1.at_the_top(name)
    raise AttributeError(f"module 'tensorflow' has no attribute {name!r}")
