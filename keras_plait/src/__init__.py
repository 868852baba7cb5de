"""The backend: what Keras takes from `keras.src.backend.<name>`."""

import sys

from keras.src.backend import config
from keras.src.backend.common.name_scope import name_scope

from keras_plait.src import core, image, linalg, math, nn, numpy, ops, random
from keras_plait.src.core import (
    IS_THREAD_SAFE,
    SUPPORTS_COMPLEX_DTYPES,
    SUPPORTS_RAGGED_TENSORS,
    SUPPORTS_SPARSE_TENSORS,
    Variable,
    cast,
    compute_output_spec,
    cond,
    convert_to_numpy,
    convert_to_tensor,
    device_scope,
    is_tensor,
    random_seed_dtype,
    scatter,
    shape,
    stop_gradient,
    vectorized_map,
)
from keras_plait.src.rnn import bidirectional_gru, bidirectional_lstm, cudnn_ok, gru, lstm, rnn

#: One device: nothing is distributed.
distribution_lib = None
#: Asked for by Keras 3.16.
SUPPORTS_GRADIENT = True
if hasattr(config, "PLUGGABLE_BACKENDS"):  # Keras 3.16: there `rnn` is the module of these
    rnn = sys.modules["keras_plait.src.rnn"]


def _plain_signatures() -> None:
    """Show the functions' signatures without annotations: Keras compares them with its own, which
    have none."""
    import inspect
    from types import FunctionType

    for module in (core, image, linalg, math, nn, numpy, random):
        for function in vars(module).values():
            if type(function) is FunctionType:
                found = inspect.signature(function)
                plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
                function.__signature__ = found.replace(
                    parameters=plain, return_annotation=found.empty
                )


_plain_signatures()
