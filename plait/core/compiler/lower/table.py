"""Which lowering makes kernels of which op: one line per family."""

from __future__ import annotations

from collections.abc import Callable

from plait.core.compiler.lower import conv

#: By op name. Elementwise ops, reductions, views and row-wise composites are not here: the fusion
#: pass makes row kernels of them.
LOWERINGS: dict[str, Callable[..., bool]] = {
    # convolution
    "conv": conv.lower_conv,
    "conv_input_grad": conv.lower_conv_input_grad,
    "conv_weight_grad": conv.lower_conv_weight_grad,
    "conv_nhwc": conv.lower_conv_nhwc,
    "conv_nhwc_input_grad": conv.lower_conv_nhwc_input_grad,
    "conv_nhwc_weight_grad": conv.lower_conv_nhwc_weight_grad,
}
