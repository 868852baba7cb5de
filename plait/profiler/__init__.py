"""A profiler of named regions: how often each ran, and for how long on the clock.

Operations are not listed one by one. A lazy operation costs its time where its value is needed, so
a region's time is that of the runs which happened inside it.
"""

from __future__ import annotations

import enum
import functools
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
    """Time the named regions that run while this context is entered."""

    def __init__(self, *args: Any, on_trace_ready: Any = None, **kwargs: Any) -> None:
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self._regions: dict[str, Region] = {}

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to listen."""
        _active.profiles.append(self)

    def stop(self) -> None:
        """Stop listening; call `on_trace_ready`."""
        if self in _active.profiles:
            _active.profiles.remove(self)
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def step(self) -> None:
        """Count a training step."""
        self.step_num += 1

    def note(self, name: str, seconds: float) -> None:
        """Add one run of a region."""
        region = self._regions.setdefault(name, Region(name))
        region.count += 1
        region.seconds += seconds

    def key_averages(self, *args: Any, **kwargs: Any) -> EventList:
        """The regions, longest first."""
        return EventList(sorted(self._regions.values(), key=lambda r: -r.seconds))

    def events(self) -> EventList:
        """The regions, longest first."""
        return self.key_averages()

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
        seconds = time.perf_counter() - self._starts.pop()
        for listener in _active.profiles:
            listener.note(self.name, seconds)

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


__getattr__ = unbuilt(
    "torch.profiler", ("ExecutionTraceObserver", "itt", "tensorboard_trace_handler")
)
