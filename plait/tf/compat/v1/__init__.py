"""`tensorflow.compat.v1`: the names of TensorFlow 1.

Graphs and sessions, once `disable_v2_behavior()` or `disable_eager_execution()` has been called (a
`Graph().as_default()` does it for a stretch). Old programs find these names at the top of
`tensorflow` as well; there, calling one that TensorFlow 2 lacks begins building a graph.
"""

from __future__ import annotations

import functools
import importlib
import logging as _python_logging
import sys
import types
from typing import Any

import plait.tf as _tf
from plait._unbuilt import NotBuilt as _NotBuilt
from plait.tf import (
    bitwise, config, data, debugging, dtypes, errors, image, io, linalg, math, strings, test,
)  # fmt: skip
from plait.tf import random as _random
from plait.tf import train as _train_of_2
from plait.tf._graph import Graph, Operation
from plait.tf._module import control_dependencies, device, init_scope, name_scope
from plait.tf._ops import arrays as _arrays
from plait.tf._ops import elementwise as _elementwise
from plait.tf._ops import matrix as _matrix
from plait.tf._ops import neural as _neural
from plait.tf._ops import reduction as _reduction
from plait.tf._ops import slicing as _slicing
from plait.tf._ops.control import numpy_function, py_function
from plait.tf._ops.random import normal as random_normal
from plait.tf._ops.random import shuffle as random_shuffle
from plait.tf._ops.random import truncated_normal
from plait.tf._ops.random import uniform as random_uniform
from plait.tf._session import InteractiveSession, Session
from plait.tf._session import default_session as _default_session
from plait.tf._shape import Dimension, TensorShape, dimension_value
from plait.tf._variable import Variable, assign, assign_add, assign_sub
from plait.tf.compat import (
    _contrib, _layers, _losses, _rnn, _saver, _scopes, _summaries, _training,
)  # fmt: skip
from plait.tf.compat._scopes import (
    AUTO_REUSE, GraphKeys, VariableScope, disable_eager_execution, enable_eager_execution,
    get_local_variable, get_variable, get_variable_scope, global_variables,
    global_variables_initializer, group, is_variable_initialized, local_variables,
    local_variables_initializer, no_op, placeholder, placeholder_with_default,
    reset_default_graph, trainable_variables, variable_scope, variables_initializer,
)  # fmt: skip
from plait.tf.compat._training import gradients
from plait.tf.initializers import (
    Constant as constant_initializer,
)
from plait.tf.initializers import GlorotNormal as glorot_normal_initializer
from plait.tf.initializers import GlorotUniform as glorot_uniform_initializer
from plait.tf.initializers import Ones as ones_initializer
from plait.tf.initializers import Orthogonal as orthogonal_initializer
from plait.tf.initializers import VarianceScaling as variance_scaling_initializer
from plait.tf.initializers import Zeros as zeros_initializer

__version__ = _tf.__version__


def disable_v2_behavior() -> None:
    """From now on operations are noted in the default graph."""
    disable_eager_execution()


def enable_v2_behavior() -> None:
    """From now on operations run at once."""
    enable_eager_execution()


def _accepted(*args: Any, **kwargs: Any) -> None:
    """Nothing: accepted."""


disable_v2_tensorshape = enable_v2_tensorshape = _accepted
disable_resource_variables = enable_resource_variables = _accepted
disable_control_flow_v2 = enable_control_flow_v2 = _accepted


def enable_tensor_equality() -> None:
    """From now on == on a graph's tensors compares their values."""
    Graph.tensor_equality = True


def disable_tensor_equality() -> None:
    """From now on == on a graph's tensors compares identity."""
    Graph.tensor_equality = False


def get_default_graph() -> Graph:
    """The graph in force."""
    return _scopes.default_graph()


def get_default_session() -> Any:
    """The session in force; None where there is none."""
    try:
        return _default_session()
    except ValueError:
        return None


def get_collection(key: Any, scope: Any = None) -> list[Any]:
    """A collection of the graph."""
    return get_default_graph().get_collection(key, scope)


def get_collection_ref(key: Any) -> list[Any]:
    """A collection of the graph itself."""
    return get_default_graph().get_collection_ref(key)


def add_to_collection(name: Any, value: Any) -> None:
    """Put something into a collection of the graph."""
    get_default_graph().add_to_collection(name, value)


def all_variables() -> list[Any]:
    """The variables of the graph."""
    return global_variables()


def initialize_all_variables() -> Any:
    """An operation that runs the initializers of the graph's variables."""
    return global_variables_initializer()


def tables_initializer(name: str = "init_all_tables") -> Any:
    """An operation that does nothing: there are no tables."""
    return no_op(name)


def report_uninitialized_variables(var_list: Any = None, name: Any = None) -> Any:
    """The names of the variables without a value in the session."""
    given = global_variables() if var_list is None else var_list
    return _scopes.report_uninitialized_variables(list(given))


def set_random_seed(seed: Any) -> None:
    """The seed of operations without one of their own."""
    _random.set_seed(seed)


class ConfigProto:
    """Options of sessions, accepted."""

    def __init__(self, **options: Any) -> None:
        self.gpu_options = GPUOptions()
        self.graph_options = types.SimpleNamespace(
            optimizer_options=types.SimpleNamespace(global_jit_level=0)
        )
        self.__dict__.update(options)


class GPUOptions:
    """Options of devices, accepted."""

    def __init__(self, **options: Any) -> None:
        self.allow_growth = False
        self.per_process_gpu_memory_fraction = 1.0
        self.__dict__.update(options)


class RunOptions(ConfigProto):
    """Options of runs, accepted."""

    NO_TRACE, FULL_TRACE = 0, 3


class RunMetadata:
    """What would describe a run."""


# -- functions with their old arguments ---------------------------------------------------------------


def _old_reduction(function: Any) -> Any:
    @functools.wraps(function)
    def reduce(input_tensor: Any, axis: Any = None, keepdims: Any = None, name: Any = None,
               reduction_indices: Any = None, keep_dims: Any = None) -> Any:
        keep = keep_dims if keepdims is None else keepdims
        return function(input_tensor, reduction_indices if axis is None else axis, bool(keep),
                        name=name)

    return reduce


reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_prod, reduce_all, reduce_any = (
    _old_reduction(f) for f in (
        _reduction.reduce_sum, _reduction.reduce_mean, _reduction.reduce_max,
        _reduction.reduce_min, _reduction.reduce_prod, _reduction.reduce_all,
        _reduction.reduce_any,
    )
)
reduce_logsumexp = _old_reduction(_reduction.reduce_logsumexp)


def argmax(input: Any, axis: Any = None, name: Any = None, dimension: Any = None,
           output_type: Any = "int64") -> Any:
    """The place of the maximum along an axis."""
    return _reduction.argmax(input, axis, output_type, dimension, name=name)


def argmin(input: Any, axis: Any = None, name: Any = None, dimension: Any = None,
           output_type: Any = "int64") -> Any:
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
    condition = _tf.convert_to_tensor(condition)
    if x is not None and condition.shape.rank == 1 and len(_tf.convert_to_tensor(x).shape) > 1:
        condition = _arrays.reshape(condition, [-1, *[1] * (len(x.shape) - 1)])
    return _elementwise.where(condition, x, y, name=name)


def gather(params: Any, indices: Any, validate_indices: Any = None, name: Any = None,
           axis: Any = None, batch_dims: int = 0) -> Any:
    """The slices along an axis at some places."""
    return _slicing.gather(params, indices, None, axis, batch_dims, name=name)


def div(x: Any, y: Any, name: Any = None) -> Any:
    """x / y; of integers rounded down."""
    held = _tf.convert_to_tensor(x)
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


def multinomial(logits: Any, num_samples: Any, seed: Any = None, name: Any = None,
                output_dtype: Any = None) -> Any:
    """Classes drawn with probabilities softmax(logits)."""
    return _random.categorical(logits, num_samples, output_dtype, seed, name=name)


def random_normal_initializer(mean: float = 0.0, stddev: float = 1.0, seed: Any = None,
                              dtype: Any = None) -> Any:
    """Normally distributed, with deviation 1 by default."""
    return _tf.initializers.RandomNormal(mean, stddev, seed, dtype)


def random_uniform_initializer(minval: float = 0.0, maxval: float = 1.0, seed: Any = None,
                               dtype: Any = None) -> Any:
    """Uniform between 0 and 1 by default."""
    return _tf.initializers.RandomUniform(minval, maxval, seed, dtype)


def truncated_normal_initializer(mean: float = 0.0, stddev: float = 1.0, seed: Any = None,
                                 dtype: Any = None) -> Any:
    """Normally distributed within two deviations, which are 1 by default."""
    return _tf.initializers.TruncatedNormal(mean, stddev, seed, dtype)


def make_template(name_: str, func_: Any, create_scope_now_: bool = False,
                  unique_name_: Any = None, custom_getter_: Any = None, **kwargs: Any) -> Any:
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


def Print(input_: Any, data: Any, message: Any = None, first_n: Any = None, summarize: Any = None,
          name: Any = None) -> Any:
    """The tensor; printing others whenever it is computed."""
    printed = _tf.print(message or "", *data, summarize=summarize or 3)
    with control_dependencies([printed] if printed is not None else []):
        return _tf.identity(input_)


log, log1p, sigmoid = _elementwise.log, _elementwise.log1p, _elementwise.sigmoid
mod, rsqrt, ceil = _elementwise.floormod, _elementwise.rsqrt, _elementwise.ceil
floor_div, realdiv, real, imag = (
    _elementwise.floordiv, _elementwise.truediv, _elementwise.real, _elementwise.imag
)
erf, lgamma, digamma = _elementwise.erf, _elementwise.lgamma, _elementwise.digamma
is_nan, is_inf, is_finite = _elementwise.is_nan, _elementwise.is_inf, _elementwise.is_finite
logical_xor, squared_difference = _elementwise.logical_xor, _elementwise.squared_difference
sub, mul, neg = _elementwise.subtract, _elementwise.multiply, _elementwise.negative
batch_matmul, cross = _matrix.matmul, _matrix.cross
diag, diag_part, trace = _matrix.diag, _matrix.diag_part, _matrix.trace
matrix_inverse, matrix_determinant, matrix_solve = _matrix.inv, _matrix.det, _matrix.solve
matrix_transpose, matrix_diag, matrix_band_part = (
    _matrix.matrix_transpose, _matrix.diag, _matrix.band_part
)
cholesky, qr, svd, self_adjoint_eig = _matrix.cholesky, _matrix.qr, _matrix.svd, _matrix.eigh
global_norm = _matrix.global_norm
count_nonzero, bincount, confusion_matrix = (
    _reduction.count_nonzero, _reduction.bincount, _reduction.confusion_matrix
)
invert_permutation = _arrays.argsort
reverse_v2 = _arrays.reverse
read_file, write_file, decode_csv, decode_raw = (
    io.read_file, io.write_file, io.decode_csv, io.decode_raw
)
parse_example, parse_single_example = io.parse_example, io.parse_single_example
FixedLenFeature, VarLenFeature = io.FixedLenFeature, io.VarLenFeature
string_join, string_to_number, as_string = strings.join, strings.to_number, strings.as_string
regex_replace = strings.regex_replace
assert_variables_initialized = _accepted

# -- modules ------------------------------------------------------------------------------------------


def _softmax_loss(*args: Any, labels: Any = None, logits: Any = None, dim: int = -1,
                  name: Any = None, axis: Any = None) -> Any:
    """The cross-entropy of softmax(logits); no gradient flows to the labels."""
    if args:
        raise ValueError("Only call `softmax_cross_entropy_with_logits` with named arguments "
                         "(labels=..., logits=..., ...)")
    return _neural.softmax_cross_entropy_with_logits(
        _tf.stop_gradient(labels), logits, dim if axis is None else axis, name=name
    )


def _dropout(x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: Any = None,
             name: Any = None, rate: Any = None) -> Any:
    """Elements set to 0, each kept with probability `keep_prob`, which may be a tensor."""
    if rate is None and keep_prob is None:
        raise ValueError("`keep_prob` or `rate` must be provided.")
    return _neural.dropout(x, rate, noise_shape, seed, keep_prob, name=name)


class _Names(types.ModuleType):
    """A module of names, which falls back on another one's."""

    def __init__(self, name: str, behind: Any, **names: Any) -> None:
        super().__init__(f"{__name__}.{name}")
        self.__dict__["_behind"] = behind
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        if self._behind is not None and not name.startswith("__"):
            return getattr(self._behind, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


nn = _Names(
    "nn", _tf.nn,
    softmax_cross_entropy_with_logits=_softmax_loss,
    softmax_cross_entropy_with_logits_v2=_neural.softmax_cross_entropy_with_logits,
    dynamic_rnn=_rnn.dynamic_rnn, static_rnn=_rnn.static_rnn,
    bidirectional_dynamic_rnn=_rnn.bidirectional_dynamic_rnn,
    static_bidirectional_rnn=_rnn.static_bidirectional_rnn,
    rnn_cell=_Names("rnn_cell", None, **{
        name: getattr(_rnn, name) for name in (
            "BasicLSTMCell", "BasicRNNCell", "DropoutWrapper", "GRUCell", "LSTMCell",
            "LSTMStateTuple", "MultiRNNCell", "RNNCell",
        )
    }),
    dropout=_dropout, top_k=_arrays.top_k, sigmoid=_elementwise.sigmoid, tanh=_elementwise.tanh,
)  # fmt: skip
train = _Names(
    "train", _train_of_2,
    **{name: getattr(_training, name) for name in (
        "AdadeltaOptimizer", "AdagradOptimizer", "AdamOptimizer", "GradientDescentOptimizer",
        "MomentumOptimizer", "Optimizer", "RMSPropOptimizer", "create_global_step",
        "exponential_decay", "get_global_step", "get_or_create_global_step",
        "piecewise_constant", "polynomial_decay",
    )},
    piecewise_constant_decay=_training.piecewise_constant,
    Saver=_saver.Saver, checkpoint_exists=_saver.checkpoint_exists,
    global_step=lambda sess, variable: int(sess.run(variable)),
)  # fmt: skip
layers = _layers
losses = _losses
metrics = _Names(
    "metrics", None, accuracy=_losses.accuracy, mean=_losses.metric_mean,
    mean_squared_error=_losses.mean_squared_error_metric,
    mean_absolute_error=_losses.mean_absolute_error_metric,
)
summary = _Names(
    "summary", None, **{name: getattr(_summaries, name) for name in _summaries.__all__}
)
initializers = _Names(
    "initializers", _tf.initializers,
    global_variables=global_variables_initializer, variables=variables_initializer,
    random_normal=random_normal_initializer, random_uniform=random_uniform_initializer,
    truncated_normal=truncated_normal_initializer,
)
random = _Names("random", _random, set_random_seed=set_random_seed, multinomial=multinomial)
gfile = _Names("gfile", None, GFile=io.GFile, FastGFile=io.GFile, Open=io.GFile,
               Exists=io.gfile.exists, Glob=io.gfile.glob, IsDirectory=io.gfile.isdir,
               ListDirectory=io.gfile.listdir, MakeDirs=io.gfile.makedirs, MkDir=io.gfile.mkdir,
               Remove=io.gfile.remove, DeleteRecursively=io.gfile.rmtree, Walk=io.gfile.walk,
               Copy=io.gfile.copy, Rename=io.gfile.rename, Stat=io.gfile.stat)
python_io = _Names("python_io", None, TFRecordWriter=io.TFRecordWriter,
                   TFRecordOptions=io.TFRecordOptions)
_LOG = _python_logging.getLogger("tensorflow")
logging = _Names(
    "logging", None, DEBUG=10, INFO=20, WARN=30, ERROR=40, FATAL=50, debug=_LOG.debug,
    info=_LOG.info, warn=_LOG.warning, warning=_LOG.warning, error=_LOG.error, fatal=_LOG.critical,
    set_verbosity=_LOG.setLevel, get_verbosity=lambda: _LOG.level,
)


contrib = _contrib


def _run(main: Any = None, argv: Any = None) -> None:
    """Call the main function with the command's arguments, and end the program."""
    function = main or sys.modules["__main__"].main  # type: ignore[attr-defined]  # the program's
    sys.exit(function(sys.argv if argv is None else argv))


app = _Names("app", None, run=_run)

#: Names that TensorFlow 1 has at its top and TensorFlow 2 has not.
OLD_NAMES = frozenset(
    """
    AUTO_REUSE ConfigProto Dimension FixedLenFeature GPUOptions GraphKeys InteractiveSession Print
    RunMetadata RunOptions Session VarLenFeature VariableScope add_to_collection all_variables app
    arg_max arg_min as_string assign assign_add assign_sub batch_matmul bincount ceil cholesky
    confusion_matrix contrib count_nonzero cross decode_csv decode_raw diag diag_part digamma
    disable_eager_execution disable_v2_behavior div enable_eager_execution erf examples
    get_collection get_collection_ref get_default_graph get_default_session get_local_variable
    get_variable get_variable_scope gfile global_norm global_variables
    global_variables_initializer glorot_normal_initializer glorot_uniform_initializer gradients
    imag initialize_all_variables invert_permutation is_finite is_inf is_nan
    is_variable_initialized layers lgamma local_variables local_variables_initializer log log1p
    logging logical_xor make_template matrix_band_part matrix_determinant matrix_diag
    matrix_inverse matrix_solve matrix_transpose mod mul multinomial neg orthogonal_initializer
    parse_example parse_single_example placeholder placeholder_with_default py_func python_io qr
    random_normal random_shuffle random_uniform read_file real realdiv regex_replace
    report_uninitialized_variables reset_default_graph rsqrt self_adjoint_eig set_random_seed
    squared_difference string_join string_to_number sub svd tables_initializer to_double to_float
    to_int32 to_int64 trace trainable_variables truncated_normal truncated_normal_initializer
    variable_scope variables_initializer variance_scaling_initializer write_file
    """.split()
)
#: What an old program calls before, or while, it builds its graph.
_BUILDING = frozenset(
    """
    Session InteractiveSession get_variable placeholder placeholder_with_default random_normal
    random_uniform truncated_normal variable_scope global_variables_initializer
    """.split()
)


#: What stands at the top of `tensorflow` with other arguments, or another meaning, than in 2.
_CHANGED = (
    *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_all"),
    *("reduce_any", "reduce_logsumexp", "argmax", "argmin", "squeeze", "expand_dims", "where"),
    *("gather", "nn", "train", "summary", "losses", "metrics", "initializers", "random", "group"),
    *("random_normal_initializer", "random_uniform_initializer", "no_op"),
)


def as_old_programs_have_it() -> None:
    """A program has called what only TensorFlow 1 has at its top: it builds a graph from now on,
    and finds the other names as that version has them."""
    if _scopes.asked_for_eager():
        return
    disable_eager_execution()
    for name in _CHANGED:
        setattr(_tf, name, globals()[name])


def at_the_top(name: str) -> Any:
    """A name of TensorFlow 1 at the top of `tensorflow`: what builds a graph begins with that."""
    if name == "examples":
        return importlib.import_module("plait.tf.examples")
    found = getattr(sys.modules[__name__], name)
    if name not in _BUILDING:
        return found
    if isinstance(found, type):
        as_old_programs_have_it()
        return found

    @functools.wraps(found)
    def call(*args: Any, **kwargs: Any) -> Any:
        as_old_programs_have_it()
        return found(*args, **kwargs)

    return call


def __getattr__(name: str) -> Any:
    """What TensorFlow 2 has under the same name."""
    if name in ("estimator", "flags", "tpu", "distributions", "FLAGS", "sparse_placeholder"):
        raise _NotBuilt(f"tf.compat.v1.{name} is not built in Plait yet")
    if name.startswith("__") or name in OLD_NAMES:
        raise AttributeError(f"module 'tensorflow.compat.v1' has no attribute {name!r}")
    if name in ("encode_base64", "decode_base64", "parse_tensor", "serialize_tensor"):
        return getattr(io, name)
    return getattr(_tf, name)
