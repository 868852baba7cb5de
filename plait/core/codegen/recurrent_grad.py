"""Kernels of the gradients of recurrent sequences.

A step back multiplies the gradient of the gates of the step behind it, (batch, gates * H), with the
weight (gates * H, H): what arrives at the state; the cell is finished at once. What else a step
hands to the one before (of the LSTM the gradient of the cell state, of the GRU the part that
bypasses the gates) waits in the buffer of the initial state's gradient, where each unit reads and
writes its own elements only.
"""

from __future__ import annotations

from collections.abc import Callable

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel
from plait.core.codegen.recurrent import Step, Tile, step_kernel
from plait.core.codegen.text import spread_constant


def _one_minus(step: Step, x: str) -> str:
    return step.sub(spread_constant(step.tile.kind, 1), x)


def _through_sigmoid(step: Step, d: str, s: str) -> str:
    return step.mul(d, step.mul(s, _one_minus(step, s)))


def _through_tanh(step: Step, d: str, y: str) -> str:
    return step.mul(d, _one_minus(step, step.mul(y, y)))


def _waiting(step: Step, name: str) -> str:
    """What the step behind left in a (batch, H) buffer; zero in the first step back."""
    kind = step.tile.kind
    held = step.load(name, step.row)
    is_first = step.f.let(f"icmp eq i64 {step.args['steps']}, 0")
    return step.f.let(f"select i1 {is_first}, {kind} {spread_constant(kind, 0)}, {kind} {held}")


def _behind(name: str) -> Callable[[Step], str]:
    """Writes the address of the gate gradients (batch, depth) at row `source`."""

    def operand(step: Step) -> str:
        f = step.f
        offset = f.mul(step.args["source"], step.args["depth"])
        return f.at(step.args[name], offset, vectors.memory_type(step.tile.dtype))

    return operand


def lstm_step_back(tile: Tile) -> Kernel:
    """One step back; buffers dx, dc0 | dy, dc, gates, cells, c0, packed."""

    def cell(step: Step) -> None:
        now = step.now()
        i, f, g, o = (step.load("gates", now, k, 4) for k in range(4))
        squashed = step.tanh(step.load("cells", now))
        dh = step.add(step.sum(), step.load("dy", now))
        dc = step.add(_waiting(step, "dc0"), step.load("dc", now))
        dc = step.add(dc, _through_tanh(step, step.mul(dh, o), squashed))
        before = step.load(step.state("c0", "cells"), step.row)
        parts = (
            _through_sigmoid(step, step.mul(dc, g), i),
            _through_sigmoid(step, step.mul(dc, before), f),
            _through_tanh(step, step.mul(dc, i), g),
            _through_sigmoid(step, step.mul(dh, squashed), o),
        )
        for k, value in enumerate(parts):
            step.store(value, "dx", now, k, 4)
        step.store(step.mul(dc, f), "dc0", step.row)

    names = ("dx", "dc0", "dy", "dc", "gates", "cells", "c0", "packed")
    soon = {"gates": 4, "dx": 4, "dy": 1, "dc": 1, "cells": 1}
    return step_kernel("lstm_grad", tile, names, _behind("dx"), cell, soon)


def gru_step_back(tile: Tile) -> Kernel:
    """One step back; buffers dx, into_h, dh0 | dy, y, gates, h0, packed."""

    def cell(step: Step) -> None:
        now = step.now()
        r, z, n, within = (step.load("gates", now, k, 4) for k in range(4))
        dh = step.add(step.add(step.sum(), _waiting(step, "dh0")), step.load("dy", now))
        before = step.load(step.state("h0", "y"), step.row)
        dn = _through_tanh(step, step.mul(dh, _one_minus(step, z)), n)
        dz = _through_sigmoid(step, step.mul(dh, step.sub(before, n)), z)
        dr = _through_sigmoid(step, step.mul(dn, within), r)
        for k, (of_x, of_h) in enumerate(((dr, dr), (dz, dz), (dn, step.mul(dn, r)))):
            step.store(of_x, "dx", now, k, 3)
            step.store(of_h, "into_h", now, k, 3)
        step.store(step.mul(dh, z), "dh0", step.row)

    names = ("dx", "into_h", "dh0", "dy", "y", "gates", "h0", "packed")
    soon = {"gates": 4, "dx": 3, "into_h": 3, "dy": 1, "y": 1}
    return step_kernel("gru_grad", tile, names, _behind("into_h"), cell, soon)


def elman_step_back(tile: Tile, relu: bool) -> Kernel:
    """One step back; buffers dx | dy, y, packed."""

    def cell(step: Step) -> None:
        now = step.now()
        d, y = step.add(step.sum(), step.load("dy", now)), step.load("y", now)
        d = step.unless_below(y, d) if relu else _through_tanh(step, d, y)
        step.store(d, "dx", now)

    names, soon = ("dx", "dy", "y", "packed"), {"dx": 1, "dy": 1, "y": 1}
    kind = "elman_relu_grad" if relu else "elman_tanh_grad"
    return step_kernel(kind, tile, names, _behind("dx"), cell, soon)


def last_step_back(tile: Tile, waits: bool) -> Kernel:
    """The gradient of the initial hidden state; buffers dh0 | d, packed.

    d: the gradient of the gates, all steps. waits: whether a part of it waits in dh0 already.
    """

    def cell(step: Step) -> None:
        total = step.sum()
        if waits:
            total = step.add(total, step.load("dh0", step.row))
        step.store(total, "dh0", step.row)

    kind = "gru_grad_last" if waits else "lstm_grad_last"
    return step_kernel(kind, tile, ("dh0", "d", "packed"), _behind("d"), cell, {})
