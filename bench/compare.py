"""Frameworks against each other on a workload: a process each, blocks of steps in turn."""

from __future__ import annotations

import math
import os
import socket
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from bench.interpreters import interpreter
from bench.workloads import Workload

_START_SECONDS = 600  # for building a model and its first steps
_BLOCK_SECONDS = 600


@dataclass
class Result:
    """What a framework did on a workload. `failure` says why there is nothing else."""

    framework: str
    version: str = ""
    check: list[float] = field(default_factory=list)
    error: float = math.nan  # largest relative difference to the first framework's check values
    blocks: list[float] = field(default_factory=list)  # seconds a step
    waited: list[float] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    failure: str = ""

    @property
    def least(self) -> float:
        return min(self.blocks)

    @property
    def median(self) -> float:
        return statistics.median(self.blocks)


class _Failed(Exception):
    pass


class _Worker:
    """A process that runs one framework on one workload, under the Python at a path."""

    def __init__(self, framework: str, workload: Workload, threads: int, python: str) -> None:
        ours, theirs = socket.socketpair()
        self.pipe = Connection(ours.detach())
        command = [python, "-m", "bench.worker", str(theirs.fileno()), framework]
        command += [workload.name, str(threads)]
        root = str(Path(__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": root}
        with theirs:
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)

    def ask(self, *command: object) -> tuple:
        self.pipe.send(command)
        return self.answer(_BLOCK_SECONDS)

    def answer(self, seconds: float) -> tuple:
        if not self.pipe.poll(seconds):
            raise _Failed(f"no answer in {seconds:.0f} s")
        try:
            kind, *values = self.pipe.recv()
        except EOFError:
            raise _Failed("the process ended without a word") from None
        if kind == "failed":
            raise _Failed(values[0])
        return tuple(values)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.pipe.close()


def compare(
    workload: Workload,
    frameworks: Sequence[str],
    threads: int,
    rounds: int,
    block_seconds: float,
    realtime: bool,
    pythons: Mapping[str, str] | None = None,
) -> list[Result]:
    """Run a workload on every framework; blocks alternate, in reverse order every other round.

    pythons: interpreters other than this one, by framework (`bench.interpreters`).
    """
    results = {name: Result(name) for name in frameworks}
    workers: dict[str, _Worker] = {}
    try:
        for name in frameworks:
            # One after the other, so that no start disturbs another's first steps.
            python = interpreter(pythons or {}, name)
            try:
                workers[name] = _Worker(name, workload, threads, python)
            except OSError as fault:
                results[name].failure = str(fault)
                continue
            _guard(results[name], workers, lambda name=name: _begin(results[name], workers[name]))
        _judge(list(results.values()))
        for turn in range(rounds):
            for name in frameworks if turn % 2 == 0 else reversed(frameworks):
                if name in workers:
                    _guard(
                        results[name],
                        workers,
                        lambda name=name: _block(
                            results[name], workers[name], block_seconds, realtime
                        ),
                    )
        for name in list(workers):
            _guard(results[name], workers, lambda name=name: _count(results[name], workers[name]))
    finally:
        for worker in workers.values():
            worker.close()
    return list(results.values())


def _guard(result: Result, workers: dict[str, _Worker], action) -> None:
    """Do something with a framework's worker; a failure ends that framework only."""
    try:
        action()
    except (_Failed, OSError) as fault:
        result.failure = str(fault)
        workers.pop(result.framework).close()


def _begin(result: Result, worker: _Worker) -> None:
    result.check, result.version = worker.answer(_START_SECONDS)


def _block(result: Result, worker: _Worker, seconds: float, realtime: bool) -> None:
    taken, waited = worker.ask("block", seconds, realtime)
    result.blocks.append(taken)
    result.waited.append(waited)


def _count(result: Result, worker: _Worker) -> None:
    (result.counts,) = worker.ask("counts")


def _judge(results: list[Result]) -> None:
    """Compare everyone's check values with those of the last framework that has any."""
    started = [result for result in results if result.check]
    if not started:
        return
    oracle = started[-1].check
    scale = max(abs(value) for value in oracle) or 1.0
    for result in started:
        differences = [abs(a - b) for a, b in zip(result.check, oracle)]
        same_length = len(result.check) == len(oracle)
        result.error = max(differences) / scale if same_length else math.inf
