"""`tf.data`: input pipelines."""

from plait.tf.data import experimental
from plait.tf.data._dataset import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
    DatasetSpec,
    Iterator,
    Options,
    ThreadingOptions,
)  # fmt: skip
from plait.tf.data._files import FixedLengthRecordDataset, TextLineDataset, TFRecordDataset
