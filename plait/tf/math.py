"""`tf.math`."""

from plait.tf._ops.arrays import in_top_k, top_k
from plait.tf._ops.elementwise import *  # noqa: F403  # the elementwise family, by its __all__
from plait.tf._ops.matrix import l2_normalize
from plait.tf._ops.neural import log_sigmoid, softplus, softsign
from plait.tf._ops.reduction import (
    argmax,
    argmin,
    bincount,
    confusion_matrix,
    count_nonzero,
    cumprod,
    cumsum,
    cumulative_logsumexp,
    reduce_all,
    reduce_any,
    reduce_euclidean_norm,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_std,
    reduce_sum,
    reduce_variance,
    zero_fraction,
)  # fmt: skip
from plait.tf._ops.segments import (
    segment_max,
    segment_mean,
    segment_min,
    segment_prod,
    segment_sum,
    unsorted_segment_max,
    unsorted_segment_mean,
    unsorted_segment_min,
    unsorted_segment_prod,
    unsorted_segment_sum,
)  # fmt: skip
