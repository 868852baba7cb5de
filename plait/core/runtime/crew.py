"""Work that lets go of Python's lock, dealt out to threads while more of it is being made.

results = share(jobs, threads=2)        # jobs: an iterator of (weight, function)
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable
from typing import Any


def share(jobs: Iterable[tuple[int, Callable[[], Any]]], threads: int) -> list[Any]:
    """What the jobs give, in their order. Raises what the first failing one raises.

    The caller's thread makes the jobs, which others begin with meanwhile, then works on them too:
    the heaviest first. One job, or one thread, is done here alone.
    """
    crew = _Crew()
    helpers: list[threading.Thread] = []
    try:
        for number, (weight, job) in enumerate(jobs):
            crew.add(weight, number, job)
            if number and len(helpers) < threads - 1:
                helpers.append(threading.Thread(target=crew.work, name="plait-compile"))
                helpers[-1].start()
        crew.close()
        crew.work()
    except BaseException:
        crew.stop()
        raise
    finally:
        for helper in helpers:
            helper.join()
    return crew.results()


class _Crew:
    """Jobs that wait, and what became of the others."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._waiting: list[tuple[int, int, Callable[[], Any]]] = []
        self._results: dict[int, Any] = {}
        self._faults: dict[int, BaseException] = {}
        self._open = True

    def add(self, weight: int, number: int, job: Callable[[], Any]) -> None:
        with self._change:
            heapq.heappush(self._waiting, (-weight, number, job))
            self._change.notify()

    def close(self) -> None:
        """No more jobs will come."""
        with self._change:
            self._open = False
            self._change.notify_all()

    def stop(self) -> None:
        """Begin with no other job."""
        with self._change:
            self._waiting.clear()
        self.close()

    def work(self) -> None:
        """Do jobs until none is left, and none will come."""
        while (taken := self._take()) is not None:
            number, job = taken
            try:
                self._results[number] = job()
            except BaseException as fault:  # raised where the results are asked for
                self._faults[number] = fault
                self.stop()

    def _take(self) -> tuple[int, Callable[[], Any]] | None:
        with self._change:
            while not self._waiting and self._open:
                self._change.wait()
            return heapq.heappop(self._waiting)[1:] if self._waiting else None

    def results(self) -> list[Any]:
        """What the jobs gave, all of them done."""
        if self._faults:
            raise self._faults[min(self._faults)]
        return [self._results[number] for number in sorted(self._results)]
