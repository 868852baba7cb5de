"""Convolution, and its transposes in the input and in the weight, over one or two spatial axes.

The channels-last ops are what kernels work on. The others are brought into that form and back by
copies here; the layout pass of a whole program does better. Three spatial axes are not covered.
"""

from __future__ import annotations

from typing import Any

from plait.core.codegen.access import Access, Epilogue
from plait.core.codegen.conv_pack import Image, image_kernel
from plait.core.codegen.kernel import Launch
from plait.core.codegen.outlet import outlet_of
from plait.core.compiler.lower.conv_taps import (
    Ints,
    View,
    Weights,
    compute_dtype,
    forward_axis,
    padded_image,
    row_major,
    tap_convolution,
    transposed_axes,
)
from plait.core.compiler.lower.conv_weight import weight_gradient
from plait.core.compiler.lower.winograd import winograd_convolution, winograd_of
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.op import elements
from plait.core.ops.geometry import window_extents


def channels_last(buffer: Buffer) -> View:
    """A buffer whose channels are last already."""
    return View(buffer, buffer.shape, row_major(buffer.shape))


def channels_first(buffer: Buffer) -> View:
    """A buffer (N, C, *spatial) of one or two spatial axes; one axis becomes a single row."""
    samples, channels = buffer.shape[:2]
    rows, columns = (1, *buffer.shape[2:])[-2:]
    plane = rows * columns
    return View(buffer, (samples, rows, columns, channels), (channels * plane, columns, 1, plane))


# -- the three of them, on views ------------------------------------------------------------------


def convolve(
    plan: Plan,
    x: View,
    w: Buffer,
    attrs: Any,
    epilogue: Epilogue | None,
    results: list[Buffer],
    reads: list[Buffer],
) -> bool:
    """(N, H, W, C) by (O, C / groups, kh, kw) to (N, H', W', O), or through the epilogue."""
    samples, spatial = x.shape[0], x.shape[1:3]
    strides, padding, dilation = attrs["strides"], attrs["padding"], attrs["dilation"]
    groups, kernel = attrs["groups"], (1, *w.shape[2:])[-2:]
    extents = window_extents("conv", spatial, kernel, strides, padding, dilation)
    out, depth = w.shape[:2]
    own = Access((elements(extents) * out, extents[1] * out, out, 1))
    names = [b.dtype.name for b in reads], [b.dtype.name for b in results]
    outlet = outlet_of(epilogue, own, *names)
    if outlet is None:
        return False
    if samples * elements(extents) * out == 0:
        return True
    down, across = [
        forward_axis(n, k, s, p[0], d)
        for n, k, s, p, d in zip(extents, kernel, strides, padding, dilation)
    ]
    taps = elements(kernel)
    weights = Weights(out // groups, depth, out // groups * depth * taps, taps, depth * taps)
    flops = 2 * samples * elements(extents) * elements(w.shape)
    fast = winograd_of(plan, x, w, weights, (down, across), groups)
    if fast is not None:
        winograd_convolution(
            plan, fast, x, w, weights, (down, across), outlet, results, reads, flops
        )
        return True
    borders = (*down.reach(spatial[0]), *across.reach(spatial[1]))
    image = padded_image(plan, x, borders, compute_dtype(x.buffer.dtype))
    tap_convolution(
        plan, image, borders, w, weights, kernel, (down, across), groups, outlet, results, reads,
        flops,
    )  # fmt: skip
    return True


def convolve_back(
    plan: Plan,
    g: View,
    w: Buffer,
    spatial: Ints,
    attrs: Any,
    epilogue: Epilogue | None,
    results: list[Buffer],
    reads: list[Buffer],
) -> bool:
    """(N, H', W', O) by (O, C / groups, kh, kw) to (N, *spatial, C). Epilogues only where all
    strides are 1."""
    strides, padding, dilation = attrs["strides"], attrs["padding"], attrs["dilation"]
    groups, kernel = attrs["groups"], (1, *w.shape[2:])[-2:]
    samples, depth, inner = g.shape[0], w.shape[0] // groups, w.shape[1]
    if epilogue is not None and any(s > 1 for s in strides):
        return False
    downs, acrosses = [
        transposed_axes(n, k, s, p[0], d)
        for n, k, s, p, d in zip(spatial, kernel, strides, padding, dilation)
    ]
    out = inner * groups
    row, plane = spatial[1] * out, elements(spatial) * out
    names = [b.dtype.name for b in reads], [b.dtype.name for b in results]
    if outlet_of(epilogue, Access((plane, row, out, 1)), *names) is None:
        return False
    if samples * plane == 0:
        return True
    taps = elements(kernel)
    weights = Weights(inner, depth, depth * inner * taps, inner * taps, taps)
    share = 2 * samples * elements(g.shape[1:3]) * elements(w.shape)
    if all(s == 1 for s in strides):
        axes = downs[0], acrosses[0]
        fast = winograd_of(plan, g, w, weights, axes, groups)
        outlet = outlet_of(epilogue, Access((plane, row, out, 1)), *names)
        if fast is not None and outlet is not None:
            winograd_convolution(plan, fast, g, w, weights, axes, outlet, results, reads, share)
            return True
    reaches = [[a.reach(n) for a in axes] for axes, n in zip((downs, acrosses), g.shape[1:3])]
    borders = tuple(max(reach[side] for reach in axis) for axis in reaches for side in (0, 1))
    image = padded_image(plan, g, borders, compute_dtype(g.buffer.dtype))
    share //= len(downs) * len(acrosses)
    for down in downs:
        for across in acrosses:
            own = Access(
                (plane, down.every * row, across.every * out, 1),
                down.first * row + across.first * out,
            )
            outlet = outlet_of(epilogue, own, *names)
            assert outlet is not None
            tap_convolution(
                plan, image, borders, w, weights, kernel, (down, across), groups, outlet,
                results, reads, share,
            )  # fmt: skip
    return True


# -- channels last ----------------------------------------------------------------------------


def lower_conv_nhwc(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Epilogue | None = None
) -> bool:
    """`conv_nhwc` of any float dtype."""
    x, w, *reads = inputs
    return convolve(plan, channels_last(x), w, made.attrs, epilogue, outputs, reads)


def lower_conv_nhwc_input_grad(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Epilogue | None = None
) -> bool:
    """`conv_nhwc_input_grad` of any float dtype; epilogues only where all strides are 1."""
    g, w, *reads = inputs
    spatial = made.attrs["spatial"]
    return convolve_back(plan, channels_last(g), w, spatial, made.attrs, epilogue, outputs, reads)


def lower_conv_nhwc_weight_grad(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Epilogue | None = None
) -> bool:
    """`conv_nhwc_weight_grad` of any float dtype."""
    if epilogue is not None:
        return False
    x, g = map(channels_last, inputs)
    return weight_gradient(plan, x, g, outputs[0], made.attrs["kernel"], made.attrs)


# -- channels first ---------------------------------------------------------------------------


def _two_axes(attrs: Any) -> Any:
    """The attributes with a single row of one place put before one spatial axis."""
    if len(attrs["strides"]) == 2:
        return attrs
    return {
        "strides": (1, *attrs["strides"]),
        "padding": ((0, 0), *attrs["padding"]),
        "dilation": (1, *attrs["dilation"]),
        "groups": attrs["groups"],
    }


def _to_channels_first(plan: Plan, last: Buffer, result: Buffer) -> None:
    """Copy (N, H, W, C) to (N, C, *spatial)."""
    samples, rows, columns, channels = last.shape
    what = Image(
        last.dtype.name,
        result.dtype.name,
        (rows * columns * channels, 1, columns * channels, channels),
        channels,
        rows,
        columns,
        0, 0, 0, 0,
    )  # fmt: skip
    plan.launch(
        Launch(
            image_kernel(what),
            (result,),
            (last,),
            units=samples * channels,
            grain=max(1, (1 << 15) // max(1, rows * columns)),
            bytes=last.nbytes + result.nbytes,
        )
    )


def lower_conv(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Epilogue | None = None
) -> bool:
    """`conv` over one or two axes of any float dtype, by way of a channels-last copy."""
    x, w = inputs[:2]
    if epilogue is not None or len(x.shape) > 4:
        return False
    (result,) = outputs
    samples, out, *extents = result.shape
    last = plan.temporary((samples, *(1, *extents)[-2:], out), result.dtype)
    convolve(plan, channels_first(x), w, _two_axes(made.attrs), None, [last], [])
    _to_channels_first(plan, last, result)
    return True


def lower_conv_input_grad(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Epilogue | None = None
) -> bool:
    """`conv_input_grad` over one or two axes of any float dtype, by way of copies."""
    g, w = inputs[:2]
    if epilogue is not None or len(g.shape) > 4:
        return False
    (result,) = outputs
    samples, channels, *extents = result.shape
    spatial = (1, *extents)[-2:]
    last = plan.temporary((samples, *spatial, channels), result.dtype)
    attrs = _two_axes(made.attrs)
    convolve_back(plan, channels_first(g), w, spatial, attrs, None, [last], [])
    _to_channels_first(plan, last, result)
    return True


def lower_conv_weight_grad(
    made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Epilogue | None = None
) -> bool:
    """`conv_weight_grad` over one or two axes of any float dtype, by way of copies."""
    if epilogue is not None or len(inputs[0].shape) > 4:
        return False
    x, g = map(channels_first, inputs)
    kernel = (1, *made.attrs["kernel"])[-2:]
    return weight_gradient(plan, x, g, outputs[0], kernel, _two_axes(made.attrs))


LOWERINGS = {
    "conv": lower_conv,
    "conv_input_grad": lower_conv_input_grad,
    "conv_weight_grad": lower_conv_weight_grad,
    "conv_nhwc": lower_conv_nhwc,
    "conv_nhwc_input_grad": lower_conv_nhwc_input_grad,
    "conv_nhwc_weight_grad": lower_conv_nhwc_weight_grad,
}
