"""Runs one lowered op by itself: builds its kernels, deals out their units, watches the borders.

Every buffer stands between guard bytes, outputs and temporaries begin as garbage, and units are
dealt out in several ways, whose results must have the same bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from plait.core.codegen import copies
from plait.core.codegen.kernel import Launch
from plait.core.codegen.text import module
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.graph import Instruction
from plait.core.ir.node import Spec
from plait.core.ir.op import Op
from plait.core.llvm.build import Library, build
from plait.core.llvm.target import Target, target

_GUARD = 256
_SCRATCH_GUARD = 128
_KINDS = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_loaded: dict[str, tuple[Any, Library]] = {}


def stream_from(nbytes: int, shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have results of so many bytes written past the caches, in memory that lies `shift` bytes
    beside the alignment that this needs."""
    monkeypatch.setattr(copies, "STREAM_BYTES", nbytes)
    monkeypatch.setitem(globals(), "_GUARD", 256 + shift)


#: Each is told of the address and bytes of every buffer and scratch memory of `run_plan`.
watchers: list[Callable[[int, int], None]] = []


def _watched(address: int, nbytes: int) -> None:
    for watcher in watchers:
        watcher(address, nbytes)


def function_of(launch: Launch, on: Target) -> Any:
    """The native function of a launch's kernel."""
    symbol = launch.kernel.symbol(on)
    if symbol not in _loaded:
        text = module([launch.kernel.emit(symbol, on)], on.vector_bytes)
        library = Library([build(text, on, optimize=launch.kernel.optimize)], [symbol], on)
        address = library.addresses[symbol]
        _loaded[symbol] = (ctypes.CFUNCTYPE(ctypes.c_int64, *_KINDS)(address), library)
    return _loaded[symbol][0]


def aligned(nbytes: int, align: int = 64, fill: int = 0xAB) -> np.ndarray:
    """Bytes at an aligned address."""
    raw = np.full(nbytes + align, fill, np.uint8)
    start = -raw.ctypes.data % align
    return raw[start : start + nbytes]


class Memory:
    """The buffers of a plan, each between guards."""

    def __init__(self, given: dict[int, np.ndarray]) -> None:
        self.given = given
        self.held: dict[int, tuple[np.ndarray, int]] = {}

    def address(self, buffer: Buffer) -> int:
        if id(buffer) not in self.held:
            whole = aligned(buffer.nbytes + 2 * _GUARD)
            data = self.given.get(id(buffer), buffer.value)
            if data is not None:
                inner = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
                whole[_GUARD : _GUARD + buffer.nbytes] = inner
            self.held[id(buffer)] = (whole, buffer.nbytes)
            _watched(whole.ctypes.data + _GUARD, buffer.nbytes)
        return self.held[id(buffer)][0].ctypes.data + _GUARD

    def array(self, buffer: Buffer) -> np.ndarray:
        self.address(buffer)  # an empty result may have no launch that writes it
        whole, nbytes = self.held[id(buffer)]
        inner = whole[_GUARD : _GUARD + nbytes]
        return inner.view(buffer.dtype.numpy).reshape(buffer.shape).copy()

    def check_guards(self) -> None:
        for whole, nbytes in self.held.values():
            assert (whole[:_GUARD] == 0xAB).all(), "a kernel wrote before its buffer"
            assert (whole[_GUARD + nbytes :] == 0xAB).all(), "a kernel wrote past its buffer"


def _deals(units: int) -> list[list[tuple[int, int]]]:
    """Ways to deal out units: whole; in halves, the second first; in thirds."""
    half, third = units // 2, -(-units // 3)
    thirds = [(i, min(i + third, units)) for i in range(0, units, third)]
    return [[(0, units)], [(half, units), (0, half)], thirds]


def run_plan(plan: Plan, given: dict[int, np.ndarray], wanted: Sequence[Buffer]) -> list:
    """The arrays of `wanted` after all launches; raises AssertionError where dealings differ."""
    results: list[list[np.ndarray]] = []
    for deal in range(3):
        memory = Memory(given)
        for launch in plan.steps:
            buffers = (*launch.outputs, *launch.inputs)
            words = [memory.address(b) for b in buffers] + list(launch.numbers)
            args = np.array(words, np.int64)
            scratch = aligned(launch.scratch + _SCRATCH_GUARD)
            _watched(scratch.ctypes.data, launch.scratch)
            for begin, end in _deals(launch.units)[deal]:
                if begin < end:
                    code = function_of(launch, plan.target)(
                        args.ctypes.data, begin, end, scratch.ctypes.data
                    )
                    assert code == 0, f"fault {code}"
            assert (scratch[launch.scratch :] == 0xAB).all(), "a kernel wrote past its scratch"
        memory.check_guards()
        results.append([memory.array(b) for b in wanted])
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert a.tobytes() == b.tobytes(), "the dealing of units changed the bits"
    return results[0]


def run_op(
    lower: Callable[..., bool],
    op: Op,
    arrays: Sequence[np.ndarray],
    dtypes: Sequence[Any],
    attrs: dict[str, Any],
    isa: str | Target = "",
    epilogue: Any = None,
    extra: Sequence[np.ndarray] = (),
    outputs: Sequence[Buffer] | None = None,
) -> list[np.ndarray]:
    """The results of one lowered op. `dtypes`: those of `arrays` and then of `extra`, which are
    what an epilogue reads. Raises AssertionError where the lowering does not cover the op."""
    plan = Plan(target(isa) if isinstance(isa, str) else isa)
    inputs = [Buffer(a.shape, d, "input") for a, d in zip((*arrays, *extra), dtypes, strict=True)]
    specs = [Spec(b.shape, b.dtype) for b in inputs[: len(arrays)]]
    shape, dtype = op.infer(*specs, **attrs)
    made = Instruction(op, tuple(range(len(arrays))), attrs, shape, dtype, None)
    if outputs is None:
        kinds = list(zip(shape, dtype)) if isinstance(dtype, tuple) else [(shape, dtype)]
        outputs = [Buffer(s, d, "output") for s, d in kinds]
    assert lower(made, inputs, list(outputs), plan, epilogue), f"{op.name}: not lowered"
    given = {id(b): a for b, a in zip(inputs, (*arrays, *extra))}
    return run_plan(plan, given, outputs)
