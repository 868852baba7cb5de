"""`tf.bitwise`."""

from plait.tf._ops.elementwise import (
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    invert,
    left_shift,
    right_shift,
)
