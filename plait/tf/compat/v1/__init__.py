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
    bitwise,
    config,
    debugging,
    dtypes,
    errors,
    io,
    linalg,
    math,
    strings,
    test,
)  # fmt: skip
from plait.tf import image as _image
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
from plait.tf._ops.random import set_seed, truncated_normal
from plait.tf._ops.random import shuffle as random_shuffle
from plait.tf._ops.random import uniform as random_uniform
from plait.tf._session import InteractiveSession, Session
from plait.tf._session import default_session as _default_session
from plait.tf._shape import Dimension, TensorShape, dimension_value
from plait.tf._variable import Variable, assign, assign_add, assign_sub
from plait.tf.compat import (
    _averages,
    _coordinator,
    _file_hooks,
    _hooks,
    _iterators,
    _layers,
    _losses,
    _metrics,
    _monitored,
    _networks,
    _producers,
    _proximal,
    _queues,
    _rates,
    _rnn,
    _saver,
    _scaffold,
    _scopes,
    _summaries,
    _training,
)  # fmt: skip
from plait.tf.compat._definitions import GraphDef, NodeDef
from plait.tf.compat._old_functions import *  # noqa: F403  # by its __all__
from plait.tf.compat._old_functions import (
    multinomial,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
)
from plait.tf.compat._old_names import BUILDING as _BUILDING
from plait.tf.compat._old_names import OLD_NAMES
from plait.tf.compat._queues import FIFOQueue, PaddingFIFOQueue, QueueBase, RandomShuffleQueue
from plait.tf.compat._readers import (
    FixedLengthRecordReader,
    IdentityReader,
    ReaderBase,
    TextLineReader,
    TFRecordReader,
    WholeFileReader,
)
from plait.tf.compat._scopes import (
    AUTO_REUSE,
    GraphKeys,
    VariableScope,
    disable_eager_execution,
    enable_eager_execution,
    get_local_variable,
    get_variable,
    get_variable_scope,
    global_variables,
    global_variables_initializer,
    group,
    is_variable_initialized,
    local_variables,
    local_variables_initializer,
    model_variables,
    moving_average_variables,
    no_op,
    placeholder,
    placeholder_with_default,
    reset_default_graph,
    trainable_variables,
    variable_scope,
    variables_initializer,
)  # fmt: skip
from plait.tf.compat._training import gradients, hessians
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
disable_control_flow_v2 = enable_control_flow_v2 = assert_variables_initialized = _accepted


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
    set_seed(seed)


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


# -- modules --------------------------------------------------------------------------------------


def _softmax_loss(
    *args: Any,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: Any = None,
    axis: Any = None,
) -> Any:
    """The cross-entropy of softmax(logits); no gradient flows to the labels."""
    if args:
        raise ValueError(
            "Only call `softmax_cross_entropy_with_logits` with named arguments "
            "(labels=..., logits=..., ...)"
        )
    return _neural.softmax_cross_entropy_with_logits(
        _tf.stop_gradient(labels), logits, dim if axis is None else axis, name=name
    )


def _dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: Any = None,
    name: Any = None,
    rate: Any = None,
) -> Any:
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
    **{name: getattr(_networks, name) for name in (
        "conv2d", "conv2d_transpose", "fused_batch_norm", "in_top_k", "log_softmax", "relu_layer",
        "softmax", "weighted_cross_entropy_with_logits",
    )},
    dropout=_dropout, top_k=_arrays.top_k, sigmoid=_elementwise.sigmoid, tanh=_elementwise.tanh,
)  # fmt: skip
train = _Names(
    "train", _train_of_2,
    **{name: getattr(_training, name) for name in (
        "AdadeltaOptimizer", "AdagradOptimizer", "AdamOptimizer", "GradientDescentOptimizer",
        "MomentumOptimizer", "Optimizer", "RMSPropOptimizer",
    )},
    **{name: getattr(_proximal, name) for name in (
        "FtrlOptimizer", "ProximalAdagradOptimizer", "ProximalGradientDescentOptimizer",
    )},
    **{name: getattr(_rates, name) for name in (
        "cosine_decay", "cosine_decay_restarts", "create_global_step", "exponential_decay",
        "get_global_step", "get_or_create_global_step", "inverse_time_decay",
        "linear_cosine_decay", "natural_exp_decay", "piecewise_constant", "polynomial_decay",
    )},
    ExponentialMovingAverage=_averages.ExponentialMovingAverage,
    **{name: getattr(_hooks, name) for name in (
        "FeedFnHook", "FinalOpsHook", "GlobalStepWaiterHook", "LoggingTensorHook",
        "NanLossDuringTrainingError", "NanTensorHook", "SecondOrStepTimer", "SessionRunArgs",
        "SessionRunContext", "SessionRunHook", "SessionRunValues", "StopAtStepHook",
    )},
    **{name: getattr(_file_hooks, name) for name in (
        "CheckpointSaverHook", "CheckpointSaverListener", "StepCounterHook", "SummarySaverHook",
    )},
    **{name: getattr(_monitored, name) for name in (
        "MonitoredSession", "MonitoredTrainingSession", "SingularMonitoredSession",
    )},
    **{name: getattr(_scaffold, name) for name in (
        "ChiefSessionCreator", "Scaffold", "SessionCreator", "WorkerSessionCreator",
    )},
    Coordinator=_coordinator.Coordinator,
    **{name: getattr(_producers, name) for name in _producers.__all__},
    **{name: getattr(_queues, name) for name in (
        "QueueRunner", "add_queue_runner", "start_queue_runners",
    )},
    piecewise_constant_decay=_rates.piecewise_constant,
    Saver=_saver.Saver, checkpoint_exists=_saver.checkpoint_exists,
    global_step=lambda sess, variable: int(sess.run(variable)),
)  # fmt: skip
layers = _layers
losses = _losses
metrics = _metrics
data = _Names(
    "data", _tf.data,
    Iterator=_iterators.GraphIterator,
    **{name: getattr(_iterators, name) for name in (
        "get_output_shapes", "get_output_types", "make_initializable_iterator",
        "make_one_shot_iterator",
    )},
)  # fmt: skip
summary = _Names(
    "summary", None, **{name: getattr(_summaries, name) for name in _summaries.__all__}
)
initializers = _Names(
    "initializers",
    _tf.initializers,
    global_variables=global_variables_initializer,
    variables=variables_initializer,
    random_normal=random_normal_initializer,
    random_uniform=random_uniform_initializer,
    truncated_normal=truncated_normal_initializer,
)
random = _Names("random", _random, set_random_seed=set_random_seed, multinomial=multinomial)
gfile = _Names(
    "gfile",
    None,
    GFile=io.GFile,
    FastGFile=io.GFile,
    Open=io.GFile,
    Exists=io.gfile.exists,
    Glob=io.gfile.glob,
    IsDirectory=io.gfile.isdir,
    ListDirectory=io.gfile.listdir,
    MakeDirs=io.gfile.makedirs,
    MkDir=io.gfile.mkdir,
    Remove=io.gfile.remove,
    DeleteRecursively=io.gfile.rmtree,
    Walk=io.gfile.walk,
    Copy=io.gfile.copy,
    Rename=io.gfile.rename,
    Stat=io.gfile.stat,
)


def _draw_bounding_boxes(images: Any, boxes: Any, name: Any = None, colors: Any = None) -> Any:
    return _image.draw_bounding_boxes(images, boxes, colors, name=name)


def _sample_distorted_bounding_box(
    image_size: Any, bounding_boxes: Any, seed: Any = None, seed2: Any = None, **options: Any
) -> Any:
    seed = seed or seed2
    return _image.sample_distorted_bounding_box(image_size, bounding_boxes, seed, **options)


image = _Names(
    "image",
    _tf.image,
    resize_images=_tf.image.resize,
    resize_bilinear=_tf.image.resize,
    draw_bounding_boxes=_draw_bounding_boxes,
    sample_distorted_bounding_box=_sample_distorted_bounding_box,
)
python_io = _Names(
    "python_io", None, TFRecordWriter=io.TFRecordWriter, TFRecordOptions=io.TFRecordOptions
)
_LOG = _python_logging.getLogger("tensorflow")
logging = _Names(
    "logging",
    None,
    DEBUG=10,
    INFO=20,
    WARN=30,
    ERROR=40,
    FATAL=50,
    debug=_LOG.debug,
    info=_LOG.info,
    warn=_LOG.warning,
    warning=_LOG.warning,
    error=_LOG.error,
    fatal=_LOG.critical,
    set_verbosity=_LOG.setLevel,
    get_verbosity=lambda: _LOG.level,
)


def _run(main: Any = None, argv: Any = None) -> None:
    """Call the main function with the command's arguments, and end the program."""
    function = main or sys.modules["__main__"].main  # type: ignore[attr-defined]  # the program's
    sys.exit(function(sys.argv if argv is None else argv))


app = _Names("app", None, run=_run)

#: What stands at the top of `tensorflow` with other arguments, or another meaning, than in 2.
_CHANGED = (
    *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_all"),
    *("reduce_any", "reduce_logsumexp", "argmax", "argmin", "squeeze", "expand_dims", "where"),
    *("gather", "nn", "train", "summary", "losses", "metrics", "initializers", "random", "group"),
    *("random_normal_initializer", "random_uniform_initializer", "no_op", "image"),
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
    if name in ("contrib", "examples"):
        return importlib.import_module(f"plait.tf.{name}")
    found = getattr(sys.modules[__name__], name)
    if name not in _BUILDING:
        return found
    if isinstance(found, type):
        as_old_programs_have_it()
        return found
    return begun_by(found)


def begun_by(found: Any) -> Any:
    """A function whose call tells that a program is one of TensorFlow 1."""

    @functools.wraps(found)
    def call(*args: Any, **kwargs: Any) -> Any:
        as_old_programs_have_it()
        return found(*args, **kwargs)

    return call


def __getattr__(name: str) -> Any:
    """What TensorFlow 2 has under the same name."""
    if name in ("estimator", "flags", "tpu", "distributions", "FLAGS", "sparse_placeholder"):
        raise _NotBuilt(f"tf.compat.v1.{name} is not built in Plait yet")
    if name.startswith("__") or (name in OLD_NAMES and name != "contrib"):
        raise AttributeError(f"module 'tensorflow.compat.v1' has no attribute {name!r}")
    if name == "contrib":
        return importlib.import_module("plait.tf.contrib")
    if name in ("encode_base64", "decode_base64", "parse_tensor", "serialize_tensor"):
        return getattr(io, name)
    return getattr(_tf, name)
