"""Where compiled programs spend their time: launch by launch, next to what the machine could do.

    with profile() as measured:
        step()
    print(measured.table())
    measured.write_trace("step.json")      # for chrome://tracing or ui.perfetto.dev

Inside the block each launch runs by itself on one thread, so that its time is its own. The share is
that of a roofline: the time its flops or its bytes would take at the measured peak, whichever is
longer, over the time it took (Williams, Waterman & Patterson, "Roofline: an insightful visual
performance model", CACM 52(4), 2009). With `PLAIT_DEBUG=1` all of a process is measured and the
table printed at its end; with `PLAIT_TRACE=path` its trace is written there.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from plait.core.codegen.kernel import Launch
from plait.core.codegen.peak import SUMS, peak_kernel
from plait.core.compiler.steps import ControlStep, Step
from plait.core.runtime import kernels
from plait.core.runtime.config import flag
from plait.core.runtime.machine import machine

#: Events beyond this many are counted, but not kept for the trace.
MOST_EVENTS = 1_000_000

#: What programs report to; None: nobody asks.
active: Profile | None = None


class Event(NamedTuple):
    """One step that ran: when it began, and for how long (ns)."""

    step: Step
    start: int
    length: int
    thread: int


@dataclass
class Total:
    """All runs of one kernel or op."""

    runs: int = 0
    ns: int = 0
    flops: int = 0
    bytes: int = 0


class Profile:
    """What was measured."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.totals: dict[str, Total] = {}
        self._lock = threading.Lock()

    def clock(self, steps: list[Step]) -> Callable[[], None]:
        """To be called when each of the steps, which begin now, has ended."""
        waiting = iter(steps)
        thread = threading.get_ident()
        start = time.perf_counter_ns()

        def ended() -> None:
            nonlocal start
            now = time.perf_counter_ns()
            self._note(Event(next(waiting), start, now - start, thread))
            start = time.perf_counter_ns()

        return ended

    def _note(self, event: Event) -> None:
        with self._lock:
            if len(self.events) < MOST_EVENTS:
                self.events.append(event)
            total = self.totals.setdefault(label(event.step), Total())
            total.runs += 1
            total.ns += event.length
            flops, moved = work(event.step)
            total.flops += flops
            total.bytes += moved

    def table(self) -> str:
        """The kernels by time: runs, milliseconds, GFLOP/s, GB/s, share of the peak."""
        whole = sum(total.ns for total in self.totals.values()) or 1
        top = peak()
        heads = ("runs", "ms", "time", "GFLOP/s", "GB/s", "peak")
        lines = ["{:40} {:>7} {:>10} {:>6} {:>8} {:>7} {:>5}".format("kernel", *heads)]
        for name, t in sorted(self.totals.items(), key=lambda item: -item[1].ns):
            ns = max(t.ns, 1)
            ideal = max(t.flops / top.flops_per_ns, t.bytes / top.bytes_per_ns)
            lines.append(
                f"{name:40} {t.runs:7} {t.ns / 1e6:10.3f} {t.ns / whole:6.1%} "
                f"{t.flops / ns:8.1f} {t.bytes / ns:7.1f} {ideal / ns:5.0%}"
            )
        lines.append(
            f"{sum(t.ns for t in self.totals.values()) / 1e6:.3f} ms in all; peak of one thread: "
            f"{top.flops_per_ns:.0f} GFLOP/s in float32, {top.bytes_per_ns:.0f} GB/s"
        )
        return "\n".join(lines)

    def write_trace(self, path: str | os.PathLike[str]) -> None:
        """The events as a trace file in Chrome's format."""
        events: list[dict[str, Any]] = []
        for step, start, length, thread in self.events:
            flops, moved = work(step)
            events.append(
                {
                    "name": label(step),
                    "cat": "kernel" if isinstance(step, Launch) else "host",
                    "ph": "X",
                    "ts": start / 1e3,
                    "dur": length / 1e3,
                    "pid": os.getpid(),
                    "tid": thread,
                    "args": {"flops": flops, "bytes": moved},
                }
            )
        new = f"{os.fspath(path)}.{os.getpid()}.new"
        with open(new, "w", encoding="ascii") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ns"}, file)
        os.replace(new, path)


@contextlib.contextmanager
def profile() -> Iterator[Profile]:
    """Measure the programs that run inside the block, in all threads."""
    global active
    before, active = active, Profile()
    try:
        yield active
    finally:
        active = before


def label(step: Step) -> str:
    """The name under which runs are added up: kernels of the same code have the same."""
    if not isinstance(step, Launch):
        where = "control" if isinstance(step, ControlStep) else "host"
        return f"[{where}] {step.instruction.op.name}"
    shapes = {tuple(b.shape) for b in step.outputs}
    extents = " ".join("x".join(map(str, shape)) or "1" for shape in sorted(shapes))
    return f"{step.kernel.kind} {extents}"


def work(step: Step) -> tuple[int, int]:
    """(flops, bytes) of one run."""
    if isinstance(step, Launch):
        moved = step.bytes or sum(b.nbytes for b in (*step.outputs, *step.inputs))
        return step.flops, moved
    made = step.instruction
    return made.op.flops(*step.inputs, **made.attrs), made.op.bytes(*step.inputs, **made.attrs)


# -- the machine's peak -------------------------------------------------------------------------


class Peak(NamedTuple):
    """What one thread reaches: multiply-adds on registers, and copies of memory."""

    flops_per_ns: float
    bytes_per_ns: float


_TURNS = 100_000


@functools.cache
def peak() -> Peak:
    """Measured once a process, in some 20 ms."""
    on = machine()
    kernel = peak_kernel()
    address = kernels.addresses([kernel], on)[kernel]
    kinds = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(address)
    room = np.zeros(SUMS * on.lanes(4), np.float32)
    args = np.array([room.ctypes.data], np.int64)
    flops = 2 * SUMS * on.lanes(4) * _TURNS
    source = np.zeros(32 << 20, np.uint8)
    goal = np.zeros_like(source)
    return Peak(
        flops / _fastest(lambda: run(args.ctypes.data, 0, _TURNS, None)),
        2 * source.nbytes / _fastest(lambda: np.copyto(goal, source)),
    )


def _fastest(call: Callable[[], Any]) -> int:
    best = sys.maxsize
    for _ in range(5):
        start = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - start)
    return best


# -- a whole process ----------------------------------------------------------------------------


def start_from_flags() -> None:
    """Measure this process where PLAIT_DEBUG or PLAIT_TRACE asks for it."""
    global active
    if active is None and (flag("PLAIT_DEBUG") or flag("PLAIT_TRACE")):
        active = Profile()
        atexit.register(_report, active, os.getpid())


def _report(measured: Profile, owner: int) -> None:
    if os.getpid() != owner:
        return
    if flag("PLAIT_DEBUG"):
        print(measured.table(), file=sys.stderr)
    if flag("PLAIT_TRACE"):
        measured.write_trace(str(flag("PLAIT_TRACE")))
