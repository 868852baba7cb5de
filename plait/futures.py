"""`torch.futures`: a value that is set later, with functions that run when it is.

Nothing in Plait makes one by itself; libraries set them from threads of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from plait.core.ir.errors import error

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A value that is set once, perhaps by another thread."""

    def __init__(self, *, devices: Any = None) -> None:
        self._changed = threading.Condition()
        self._done = False
        self._value: Any = None
        self._fault: Exception | None = None
        self._callbacks: list[Callable[[Future], Any]] = []

    def done(self) -> bool:
        """Whether there is a value or an exception."""
        return self._done

    def wait(self) -> T:
        """The value, when it is there; raises the exception that was set."""
        with self._changed:
            self._changed.wait_for(lambda: self._done)
        return self.value()

    def value(self) -> T:
        """The value. Raises RuntimeError before it is set, and the exception that was set."""
        if not self._done:
            raise error(RuntimeError, "Future.value(): the future is not done; call wait()")
        if self._fault is not None:
            raise self._fault
        return self._value

    def set_result(self, result: T) -> None:
        """Set the value. RuntimeError where there is one."""
        self._finish(result, None)

    def set_exception(self, result: Exception) -> None:
        """Set what `wait` and `value` raise. RuntimeError where the future is done."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result!r} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """A future of what `callback` makes of this one, when it is done."""
        following: Future[Any] = Future()

        def follow(finished: Future[T]) -> None:
            try:
                following.set_result(callback(finished))
            except Exception as fault:
                following.set_exception(fault)

        self.add_done_callback(follow)
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call a function with this future when it is done; at once where it is."""
        with self._changed:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def _finish(self, value: Any, fault: Exception | None) -> None:
        with self._changed:
            if self._done:
                raise error(RuntimeError, "Future: a result can be set only once")
            self._value, self._fault, self._done = value, fault, True
            self._changed.notify_all()
        for callback in self._callbacks:
            callback(self)
        self._callbacks.clear()


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future of the list, done when all are."""
    collected: Future[list[Future]] = Future()
    missing = len(futures)
    lock = threading.Lock()

    def one_done(_: Future) -> None:
        nonlocal missing
        with lock:
            missing -= 1
            last = missing == 0
        if last:
            collected.set_result(futures)

    if not futures:
        collected.set_result(futures)
    for future in futures:
        future.add_done_callback(one_done)
    return collected


def wait_all(futures: list[Future]) -> list[Any]:
    """The values of all. Raises the first exception."""
    return [future.wait() for future in collect_all(futures).wait()]
