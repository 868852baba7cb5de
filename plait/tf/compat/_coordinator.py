"""`tf.train.Coordinator`: threads that stop together."""

from __future__ import annotations

import time
from typing import Any

from plait.core.ir.errors import error
from plait.tf import errors


class Coordinator:
    """Says to threads when to stop, and waits for them."""

    def __init__(self, clean_stop_exception_types: Any = (errors.OutOfRangeError,)) -> None:
        self._clean = tuple(clean_stop_exception_types)
        self._stop = False
        self._fault: BaseException | None = None
        self._threads: list[Any] = []

    def should_stop(self) -> bool:
        return self._stop

    def request_stop(self, ex: Any = None) -> None:
        """All are to stop; an error is raised again by `join`."""
        if isinstance(ex, BaseException) and not isinstance(ex, self._clean):
            self._fault = self._fault or ex
        self._stop = True

    def clear_stop(self) -> None:
        self._stop, self._fault = False, None

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait until a stop is asked for; whether it was."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._stop and (end is None or time.monotonic() < end):
            time.sleep(0.01)
        return self._stop

    def register_thread(self, thread: Any) -> None:
        self._threads.append(thread)

    def join(
        self,
        threads: Any = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Wait for threads to end. Raises RuntimeError for those that do not, and the error with
        which a stop was asked for."""
        everyone = [*self._threads, *(threads or [])]
        while not self._stop and any(t.is_alive() for t in everyone):
            time.sleep(0.01)
        end = time.monotonic() + stop_grace_period_secs
        for thread in everyone:
            thread.join(max(end - time.monotonic(), 0))
        self._threads = []
        if self._fault is not None:
            raise self._fault
        if any(t.is_alive() for t in everyone) and not ignore_live_threads:
            raise error(RuntimeError, "Coordinator stopped with threads still running")

    def stop_on_exception(self) -> _StopOnError:
        """A context in which an error asks all to stop."""
        return _StopOnError(self)


class _StopOnError:
    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, fault: Any, trace: Any) -> bool:
        if fault is not None:
            self._coordinator.request_stop(fault)
        return fault is not None
