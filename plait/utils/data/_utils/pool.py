"""The worker processes of one loader iterator: start, talk to, wait for and end them."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from typing import Any

from plait.core.ir.errors import error

from . import transport
from .worker import WorkerSetup, worker_main

# A worker may finish the batch it is at; after this long it is terminated, then killed.
_GRACE_SECONDS = 5.0
_KILL_SECONDS = 1.0


def default_context() -> Any:
    """The multiprocessing context to start workers by where the user names none.

    What the user set by `multiprocessing.set_start_method`, else fork on Linux, else the
    platform's.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    if chosen is None and sys.platform.startswith("linux"):
        chosen = "fork"
    return multiprocessing.get_context(chosen)


class WorkerPool:
    """`count` workers, each with a connection of its own (no shared queue that one could break)."""

    def __init__(self, context: Any, count: int, setup_of: Callable[[int], WorkerSetup]) -> None:
        self._owner = os.getpid()
        self._method = context.get_start_method()
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        self._closed = False
        try:
            for number in range(count):
                self._start(context, setup_of(number))
        except BaseException:
            self.close()
            raise

    def _start(self, context: Any, setup: WorkerSetup) -> None:
        ours, theirs = context.Pipe(duplex=True)
        self.connections.append(ours)
        if self._method == "fork":
            setup.forked = True
            setup.inherited = list(self.connections)
        try:
            process = context.Process(
                target=worker_main,
                args=(theirs, setup),
                name=f"plait-data-worker-{setup.worker_id}",
                daemon=True,
            )
            process.start()
        finally:
            theirs.close()
        self.processes.append(process)

    def send(self, number: int, message: Any) -> None:
        """Send to one worker; RuntimeError if it has died."""
        try:
            transport.send(self.connections[number], message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._death([number]) from None

    def receive(self, numbers: Iterable[int], timeout: float | None) -> Any:
        """The next message of one of these workers.

        Raises RuntimeError when one of them has died, and when none came within `timeout` seconds.
        """
        numbers = list(numbers)
        sources = {self.connections[n]: n for n in numbers}
        sentinels = {self.processes[n].sentinel: n for n in numbers}
        ready = wait([*sources, *sentinels], timeout)
        if not ready:
            raise error(RuntimeError, f"DataLoader timed out after {timeout} seconds")
        # What a worker sent before it died is still there to read.
        for number in [sources.get(source, sentinels.get(source)) for source in ready]:  # type: ignore[arg-type]  # a source is a key of one of the two
            assert number is not None, "wait gives what it was given"
            connection = self.connections[number]
            try:
                if connection.poll(0):
                    return transport.recv(connection)
            except (EOFError, ConnectionResetError):
                pass
            if not self._is_running(number):
                raise self._death([number])
        return self.receive(numbers, timeout)

    def _is_running(self, number: int) -> bool:
        """Whether a worker that closed its connection, or whose sentinel fired, still lives."""
        self.processes[number].join(_KILL_SECONDS)
        return self.processes[number].is_alive()

    def _death(self, numbers: list[int]) -> RuntimeError:
        dead = [self.processes[n] for n in numbers]
        for process in dead:
            process.join(_KILL_SECONDS)
        pids = ", ".join(str(process.pid) for process in dead)
        codes = ", ".join(str(process.exitcode) for process in dead)
        hint = ""
        if self._method != "fork":
            hint = (
                f". Workers are started by {self._method!r}, which runs the main script again in "
                "each of them: what the script does must stand under `if __name__ == '__main__':`"
            )
        self.close()
        return RuntimeError(
            f"DataLoader worker (pid(s) {pids}) exited unexpectedly with exit code {codes}{hint}"
        )

    def close(self) -> None:
        """End all workers: ask, wait for the batch they are at, then terminate. Never hangs."""
        if self._closed or os.getpid() != self._owner:  # a forked worker holds a copy of the pool
            return
        self._closed = True
        for connection in self.connections:
            try:
                transport.send(connection, None)
            except OSError:
                continue  # it has died already
        deadline = time.monotonic() + _GRACE_SECONDS
        for process, connection in zip(self.processes, self.connections):
            _drain_until_exit(process, connection, deadline)
            if process.is_alive():
                process.terminate()
                process.join(_KILL_SECONDS)
            if process.is_alive():
                process.kill()
            process.join()
        for connection in self.connections:
            connection.close()


def _drain_until_exit(process: Any, connection: Connection, deadline: float) -> None:
    """Wait for the process; read on meanwhile, or it could wait for us to read."""
    sources: list[Any] = [process.sentinel, connection]
    while (left := deadline - time.monotonic()) > 0:
        ready = wait(sources, left)
        if process.sentinel in ready:
            return
        if connection in ready:
            try:
                data = os.read(connection.fileno(), 1 << 16)
            except OSError:
                data = b""
            if not data:  # closed: only the sentinel is left to wait for
                sources = [process.sentinel]
