"""Plait: a deep-learning framework in Python, from the tensor to the machine code.

This module is the face that PyTorch's users know: `import plait as torch`. The functions come from
`plait._functions`; the subpackages (`nn`, `optim`, `utils.data`, ...) load when they are first
used.
"""

from __future__ import annotations

import importlib as _importlib
import math as _math
from typing import Any as _Any

from plait import version
from plait._functions import families as _families
from plait._functions.common import FUNCTIONS as _FUNCTIONS
from plait._functions.random import Generator, default_generator
from plait._legacy import TENSOR_TYPES as _TENSOR_TYPES
from plait._legacy import set_default_tensor_type
from plait._modes import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled,
    set_default_device,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_warn_always,
    use_deterministic_algorithms,
)
from plait._promotion import (
    can_cast,
    get_default_dtype,
    promote_types,
    result_type,
    set_default_dtype,
)
from plait._storage import STORAGE_TYPES as _STORAGE_TYPES
from plait._storage import TypedStorage, UntypedStorage
from plait._tensor import Tensor
from plait._tests_of_kind import (
    is_complex,
    is_floating_point,
    is_grad_enabled,
    is_inference_mode_enabled,
    is_nonzero,
    is_storage,
    is_tensor,
    numel,
)
from plait._types import (
    Size,
    SymBool,
    SymFloat,
    SymInt,
    TensorType,
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    finfo,
    iinfo,
    layout,
    memory_format,
    preserve_format,
    sparse_coo,
    sparse_csr,
    strided,
)
from plait._unbuilt import NotBuilt as _NotBuilt
from plait.aliasing import install_as
from plait.core.ir import dtypes as _dtypes
from plait.core.ir.dtypes import DType as dtype

__version__ = version.TORCH_INTERFACE + "+plait." + version.__version__

e, inf, nan, newaxis, pi = _math.e, _math.inf, _math.nan, None, _math.pi

dtype.prefix = "torch."
bool = _dtypes.bool_  # shadows the builtin, as PyTorch's name does
uint8, int8 = _dtypes.uint8, _dtypes.int8
uint16, uint32, uint64 = _dtypes.uint16, _dtypes.uint32, _dtypes.uint64
int16 = short = _dtypes.int16
int32 = int = _dtypes.int32
int64 = long = _dtypes.int64
float16 = half = _dtypes.float16
bfloat16 = _dtypes.bfloat16
float32 = float = _dtypes.float32
float64 = double = _dtypes.float64
complex64 = cfloat = _dtypes.complex64
complex128 = cdouble = _dtypes.complex128

globals().update(_FUNCTIONS)
globals().update(_TENSOR_TYPES)
globals().update(_STORAGE_TYPES)

#: Subpackages and modules that load on first use.
_MODULES = frozenset(
    [
        "_C",
        "__config__",
        "_subclasses",
        "_dynamo",
        "_higher_order_ops",
        "accelerator",
        "amp",
        "ao",
        "autograd",
        "backends",
        "compiler",
        "cuda",
        "distributed",
        "distributions",
        "fft",
        "func",
        "futures",
        "fx",
        "hub",
        "io",
        "jit",
        "linalg",
        "masked",
        "mps",
        "multiprocessing",
        "nn",
        "onnx",
        "optim",
        "profiler",
        "quantization",
        "random",
        "return_types",
        "serialization",
        "signal",
        "sparse",
        "special",
        "storage",
        "testing",
        "types",
        "utils",
        "vision",
        "xpu",
    ]
)

#: Whole-number networks, other sparse layouts and solvers: names whose absence is said as such.
_UNBUILT = frozenset(
    [
        "fake_quantize_per_channel_affine",
        "fake_quantize_per_tensor_affine",
        "lobpcg",
        "qint32",
        "qint8",
        "quantize_per_channel",
        "quantize_per_tensor",
        "quantized_lstm",
        "quint8",
        "segment_reduce",
        "sparse_bsc_tensor",
        "sparse_bsr_tensor",
        "sparse_compressed_tensor",
        "sparse_csc_tensor",
    ]
)

#: Names that live in a module which loads on first use.
_LATE = {
    "save": "serialization",
    "load": "serialization",
    "no_grad": "autograd",
    "enable_grad": "autograd",
    "set_grad_enabled": "autograd",
    "inference_mode": "autograd",
    "autocast": "amp",
    "GradScaler": "amp",
    "is_autocast_enabled": "amp",
    "get_autocast_dtype": "amp",
    "is_autocast_cpu_enabled": "amp",
    "get_autocast_cpu_dtype": "amp",
    "get_autocast_gpu_dtype": "amp",
    "compile": "compiler",
    "_dirichlet_grad": "distributions.gamma_draws",
    "_sample_dirichlet": "distributions.gamma_draws",
    "_standard_gamma": "distributions.gamma_draws",
    "_standard_gamma_grad": "distributions.gamma_draws",
    "sparse_coo_tensor": "sparse",
    "sparse_csr_tensor": "sparse",
    "spmm": "sparse",
    "vmap": "func",
    "cond": "_higher_order_ops",
    "while_loop": "_higher_order_ops",
    "set_printoptions": "_tensor_str",
    "get_printoptions": "_tensor_str",
    "printoptions": "_tensor_str",
    "fork_rng": "random",
    **dict.fromkeys(
        (
            "sym_float",
            "sym_int",
            "sym_ite",
            "sym_max",
            "sym_min",
            "sym_not",
            "sym_sqrt",
            "sym_sum",
        ),
        "_symbolic",
    ),
}

#: Functions of `nn.functional` that PyTorch also has at the top.
_OF_FUNCTIONAL = frozenset(
    [
        "adaptive_avg_pool1d",
        "adaptive_max_pool1d",
        "alpha_dropout",
        "alpha_dropout_",
        "avg_pool1d",
        "batch_norm",
        "bilinear",
        "celu",
        "celu_",
        "channel_shuffle",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "cosine_embedding_loss",
        "cosine_similarity",
        "dropout",
        "dropout_",
        "embedding",
        "embedding_bag",
        "feature_alpha_dropout",
        "group_norm",
        "hardshrink",
        "hinge_embedding_loss",
        "instance_norm",
        "kl_div",
        "layer_norm",
        "margin_ranking_loss",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "pairwise_distance",
        "pdist",
        "pixel_shuffle",
        "pixel_unshuffle",
        "poisson_nll_loss",
        "prelu",
        "rms_norm",
        "rrelu",
        "rrelu_",
        "selu",
        "selu_",
        "threshold",
        "threshold_",
        "triplet_margin_loss",
    ]
)


def _late_function(name: str) -> _Any:
    """A function of a family that loads when it is asked for."""
    if not name.startswith("_") or name.startswith("_foreach_"):
        _families.load_late()
    return _FUNCTIONS.get(name)


def __getattr__(name: str) -> _Any:
    if name in _MODULES:
        return _importlib.import_module(f"plait.{name}")
    if name == "torch":  # PyTorch's package imports itself, and annotations say torch.torch.Tensor
        return _importlib.import_module("plait")
    if name in _LATE:
        found = getattr(_importlib.import_module(f"plait.{_LATE[name]}"), name)
    elif name in _OF_FUNCTIONAL:
        found = getattr(_importlib.import_module("plait.nn.functional"), name)
    elif name in _UNBUILT:
        raise _NotBuilt(f"torch.{name} is not built in Plait yet")
    elif (found := _late_function(name)) is None:
        raise AttributeError(
            f"module 'torch' has no attribute '{name}' that Plait has built yet (plait.{name})"
        )
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    _families.load_late()
    return sorted({*globals(), *_FUNCTIONS, *_MODULES, *_LATE, *_OF_FUNCTIONAL})


def typename(obj: _Any, /) -> str:
    """The type of a tensor ("torch.FloatTensor"), else the name of an object or of its class."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None) or ""
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"


def _assert(condition: _Any, message: str) -> None:
    """`assert condition, message` as a function."""
    assert condition, message
