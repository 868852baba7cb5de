"""Python's multiprocessing under PyTorch's name, with `spawn`.

Tensors are copied from process to process; `share_memory_` does not share them.
"""

from __future__ import annotations

import multiprocessing as _python
from collections.abc import Callable
from multiprocessing import (
    Array,
    Barrier,
    Event,
    JoinableQueue,
    Lock,
    Manager,
    Pipe,
    Pool,
    Process,
    Queue,
    RLock,
    Semaphore,
    SimpleQueue,
    Value,
    active_children,
    cpu_count,
    current_process,
    freeze_support,
    get_all_start_methods,
    get_context,
    get_start_method,
    set_start_method,
)
from typing import Any

__all__ = [
    "Array",
    "Barrier",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Pipe",
    "Pool",
    "Process",
    "Queue",
    "RLock",
    "Semaphore",
    "SimpleQueue",
    "Value",
    "active_children",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_sharing_strategies",
    "get_all_start_methods",
    "get_context",
    "get_sharing_strategy",
    "get_start_method",
    "set_sharing_strategy",
    "set_start_method",
    "spawn",
]


class ProcessRaisedException(Exception):
    """A spawned process ended with an error."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.error_index = error_index
        self.error_pid = error_pid


class SpawnContext:
    """The processes that `spawn` has started."""

    def __init__(self, processes: list[Any]) -> None:
        self.processes = processes

    def pids(self) -> list[int]:
        """Their process numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Wait; True when all have ended. Raises ProcessRaisedException if one failed."""
        for process in self.processes:
            process.join(timeout)
        for index, process in enumerate(self.processes):
            if process.exitcode:
                for other in self.processes:
                    if other.is_alive():
                        other.terminate()
                raise ProcessRaisedException(
                    f"process {index} terminated with exit code {process.exitcode}",
                    index,
                    process.pid,
                )
        return all(process.exitcode == 0 for process in self.processes)


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:
    """Run `fn(index, *args)` in `nprocs` processes; wait for them if `join`."""
    context: Any = _python.get_context(start_method)
    processes = []
    for index in range(nprocs):
        process = context.Process(target=fn, args=(index, *args), daemon=daemon)
        process.start()
        processes.append(process)
    started = SpawnContext(processes)
    if not join:
        return started
    while not started.join():
        pass
    return None


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` accepts."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """PyTorch's default name: tensors are copied whatever it says."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted, without effect. Raises AssertionError for an unknown name."""
    assert new_strategy in get_all_sharing_strategies()
