"""`tf.dtypes`."""

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
from plait.tf._ops.elementwise import cast, complex, saturate_cast
