"""What old programs most often took of `tf.contrib`."""

from __future__ import annotations

import types
from typing import Any

from plait._unbuilt import unbuilt
from plait.tf._ops import neural as _neural
from plait.tf.compat import _layers, _rnn
from plait.tf.compat._scopes import enable_eager_execution
from plait.tf.initializers import GlorotNormal, GlorotUniform, VarianceScaling


def _xavier(uniform: bool = True, seed: Any = None, dtype: Any = None) -> Any:
    """The initializer of Glorot and Bengio."""
    return GlorotUniform(seed) if uniform else GlorotNormal(seed)


def _fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = _neural.relu,
    weights_initializer: Any = None,
    biases_initializer: Any = None,
    reuse: Any = None,
    scope: Any = None,
    **kwargs: Any,
) -> Any:
    """A dense layer, with relu by default."""
    return _layers.dense(
        inputs,
        num_outputs,
        activation_fn,
        kernel_initializer=weights_initializer,
        bias_initializer=biases_initializer,
        reuse=reuse,
        name=scope or "fully_connected",
    )


def _l2(scale: float, scope: Any = None) -> Any:
    """A penalty: half the sum of squares, times a scale."""
    return lambda weights: scale * _neural.l2_loss(weights)


layers = types.SimpleNamespace(
    flatten=_layers.flatten,
    xavier_initializer=_xavier,
    xavier_initializer_conv2d=_xavier,
    variance_scaling_initializer=VarianceScaling,
    fully_connected=_fully_connected,
    l2_regularizer=_l2,
)
rnn = types.SimpleNamespace(
    BasicLSTMCell=_rnn.BasicLSTMCell,
    BasicRNNCell=_rnn.BasicRNNCell,
    GRUCell=_rnn.GRUCell,
    LSTMCell=_rnn.LSTMCell,
    LSTMStateTuple=_rnn.LSTMStateTuple,
    MultiRNNCell=_rnn.MultiRNNCell,
    DropoutWrapper=_rnn.DropoutWrapper,
    static_rnn=_rnn.static_rnn,
    static_bidirectional_rnn=_rnn.static_bidirectional_rnn,
)
eager = types.SimpleNamespace(enable_eager_execution=enable_eager_execution)

__getattr__ = unbuilt(
    "tf.contrib",
    (
        "boosted_trees",
        "data",
        "distribute",
        "estimator",
        "factorization",
        "framework",
        "learn",
        "lookup",
        "metrics",
        "seq2seq",
        "slim",
        "summary",
        "tensor_forest",
        "tpu",
        "training",
    ),
)
