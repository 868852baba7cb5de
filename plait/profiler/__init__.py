"""A profiler of named regions: how often each ran, and for how long on the clock.

Operations are not listed one by one. A lazy operation costs its time where its value is needed, so
a region's time is that of the runs which happened inside it.
"""

from __future__ import annotations

import enum
import functools
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plait._unbuilt import unbuilt

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "tensorboard_trace_handler",
]


class ProfilerActivity(enum.Enum):
    """What a profile may watch; only the CPU is there to be watched."""

    CPU = 0
    XPU = 1
    CUDA = 2


class ProfilerAction(enum.Enum):
    """What a schedule asks for at a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


@dataclass
class Region:
    """A named region: calls, and seconds in all."""

    key: str
    count: int = 0
    seconds: float = 0.0

    @property
    def cpu_time_total(self) -> float:
        """Microseconds, as PyTorch counts."""
        return self.seconds * 1e6

    @property
    def cpu_time(self) -> float:
        """Microseconds of one call."""
        return self.cpu_time_total / max(self.count, 1)


@dataclass(frozen=True)
class Interval:
    """A stretch of time in microseconds."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True)
class Span:
    """One run of a region: when it began (`time.perf_counter`), its seconds, and its thread."""

    name: str
    began: float
    seconds: float
    thread: int
    count = 1

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """Microseconds."""
        return self.seconds * 1e6

    cpu_time = cpu_time_total

    @property
    def time_range(self) -> Interval:
        """Beginning and end in microseconds."""
        return Interval(self.began * 1e6, (self.began + self.seconds) * 1e6)


class _Active(threading.local):
    """The profiles that are running in this thread."""

    def __init__(self) -> None:
        self.profiles: list[profile] = []


_active = _Active()


class EventList(list):
    """Regions, longest first."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **kwargs: Any) -> str:
        """The regions as text."""
        lines = [f"{'Name':<40} {'CPU total':>14} {'CPU time avg':>14} {'# of Calls':>10}"]
        for region in self[:row_limit]:
            total, each = region.cpu_time_total, region.cpu_time
            lines.append(f"{region.key:<40} {total:>12.3f}us {each:>12.3f}us {region.count:>10}")
        return "\n".join(lines)

    def total_average(self) -> Region:
        """All regions as one."""
        return Region("Total", sum(r.count for r in self), sum(r.seconds for r in self))


class profile:
    """Time the named regions that run while this context is entered.

    Args:
        activities, record_shapes, profile_memory, with_stack, ...: accepted.
        schedule: the action for each step, which `step` counts; without one, all is recorded.
        on_trace_ready: called with the profile when a recording is over: after a step for which
            the schedule gives RECORD_AND_SAVE, and at the end of one that is not over by then.
    """

    def __init__(
        self,
        *args: Any,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self._planned()
        self._saved = False
        self._regions: dict[str, Region] = {}
        self._spans: list[Span] = []
        self._step_began = 0.0

    def _planned(self) -> ProfilerAction:
        if self.schedule is None:
            return ProfilerAction.RECORD
        return self.schedule(self.step_num)

    @property
    def _records(self) -> bool:
        return self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen."""
        self._step_began = time.perf_counter()
        _active.profiles.append(self)

    def stop(self) -> None:
        """Stop listening; a recording that is not over by now is."""
        if self in _active.profiles:
            _active.profiles.remove(self)
            if self._records:
                self._end_step()
                self._ready()

    def step(self) -> None:
        """A training step is over; the schedule says what to do in the next."""
        if self._records:
            self._end_step()
        is_last = self.current_action is ProfilerAction.RECORD_AND_SAVE
        self.step_num += 1
        if is_last:
            self._ready()
        self.current_action = self._planned()
        if self._records and self._saved:  # a new cycle: what was saved is forgotten
            self._regions.clear()
            self._spans.clear()
            self._saved = False
        self._step_began = time.perf_counter()

    def _end_step(self) -> None:
        if self.schedule is not None:
            now = time.perf_counter()
            self.note(f"ProfilerStep#{self.step_num}", self._step_began, now - self._step_began)

    def _ready(self) -> None:
        self._saved = True
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def note(self, name: str, began: float, seconds: float) -> None:
        """Add one run of a region, if this step is recorded. began: on `time.perf_counter`."""
        if not self._records:
            return
        region = self._regions.setdefault(name, Region(name))
        region.count += 1
        region.seconds += seconds
        self._spans.append(Span(name, began, seconds, threading.get_native_id()))

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """The regions, longest first."""
        return EventList(sorted(self._regions.values(), key=lambda r: -r.seconds))

    def events(self) -> EventList:
        """The single runs of the regions, in the order in which they ended."""
        return EventList(self._spans)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent inside any region, each moment of a thread once."""
        total, ends = 0.0, {}
        for span in sorted(self._spans, key=lambda s: s.began):
            end = ends.get(span.thread, 0.0)
            ends[span.thread] = max(end, span.began + span.seconds)
            total += ends[span.thread] - max(end, span.began)
        return total * 1e6

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write what was recorded in the trace-event format of Chrome and Perfetto.

        A path that ends in `.gz` is compressed.
        """
        from plait.profiler._trace import write_trace

        write_trace(self._spans, os.fspath(path))

    def __str__(self) -> str:
        return self.key_averages().table()


class record_function:
    """Name a region; a context and a decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._starts: list[float] = []

    def __enter__(self) -> record_function:
        self._starts.append(time.perf_counter())
        return self

    def __exit__(self, *exc: object) -> None:
        began = self._starts.pop()
        seconds = time.perf_counter() - began
        for listener in _active.profiles:
            listener.note(self.name, began, seconds)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.name):
                return function(*args, **kwargs)

        return call


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **kwargs: Any
) -> Callable[[int], ProfilerAction]:
    """The action for each step: skip, then cycles of waiting, warming up and recording."""

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        length = wait + warmup + active
        if step < 0 or (repeat and step >= repeat * length):
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == length - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """An `on_trace_ready` that writes each trace into a folder, where TensorBoard looks for it.

    The files are `WORKER.NANOSECONDS.pt.trace.json`; the worker's default name is host and process.
    Raises RuntimeError where there can be no folder.
    """

    def handler(finished: profile) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as fault:
            raise RuntimeError("Can't create directory: " + dir_name) from fault
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = ".pt.trace.json.gz" if use_gzip else ".pt.trace.json"
        finished.export_chrome_trace(os.path.join(dir_name, f"{name}.{time.time_ns()}{ending}"))

    return handler


__getattr__ = unbuilt("torch.profiler", ("ExecutionTraceObserver", "itt"))
