"""What old programs most often took of `tf.contrib`."""

from plait._unbuilt import unbuilt
from plait.tf.contrib import eager, layers, rnn

__getattr__ = unbuilt(
    "tf.contrib",
    (
        *("boosted_trees", "data", "distribute", "estimator", "factorization", "framework"),
        *("learn", "lookup", "metrics", "seq2seq", "slim", "summary", "tensor_forest", "tpu"),
        "training",
    ),
)
