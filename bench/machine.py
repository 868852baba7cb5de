"""What the benchmark needs of the machine: a description, processors, precedence, waiting (Linux;
elsewhere the last three do nothing)."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

_TASKS = Path("/proc/self/task")


def describe(threads: int) -> str:
    """One line: processor, cores, system, Python."""
    cores = f"{threads} of {os.cpu_count()} cores"
    return (
        f"{_processor()}, {cores}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    name = fields.get("model name", platform.machine())
    wide = [
        flag for flag in ("avx2", "avx512f", "amx_tile") if flag in fields.get("flags", "").split()
    ]
    return f"{name} ({', '.join(wide)})" if wide else name


def default_threads() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_processors(count: int) -> None:
    """Keep this process to so many processors: what sizes most pools of threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def waited_seconds() -> float:
    """Seconds that this process's threads were ready to run while others had the processors."""
    total = 0
    if _TASKS.exists():
        for task in _TASKS.iterdir():
            # A thread may have ended since the folder was listed; kernels may lack the file.
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[1])
    return total / 1e9


@contextlib.contextmanager
def precedence(wanted: bool) -> Iterator[None]:
    """Run this process's threads before all others (SCHED_RR) inside the block.

    Niceness is not enough on a busy machine: a pool's thread that sleeps between two operations
    waits for its neighbour's time slice whenever it wakes.
    Raises PermissionError where the privilege is missing.
    """
    if wanted and hasattr(os, "sched_setscheduler"):
        _schedule(os.SCHED_RR, 1)
        try:
            yield
        finally:
            _schedule(os.SCHED_OTHER, 0)
    else:
        yield


def _schedule(policy: int, priority: int) -> None:
    for task in os.listdir(_TASKS):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(int(task), policy, os.sched_param(priority))
