"""`tf.random`. The numbers are Plait's own: a seed does not give those of TensorFlow."""

from plait.tf import _random_experimental as experimental
from plait.tf._ops.random import (
    Generator,
    categorical,
    fold_in,
    gamma,
    get_global_generator,
    normal,
    poisson,
    set_seed,
    shuffle,
    split,
    stateless_normal,
    stateless_truncated_normal,
    stateless_uniform,
    truncated_normal,
    uniform,
)  # fmt: skip
