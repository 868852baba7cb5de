"""Who is measured by `bench.kernels`: a process each, that computes a case when it is told to.

So no pool's threads spin on another's processors. Plait runs the graph of a case as a compiled
program: what a call of it costs is in its times, as what PyTorch's dispatch costs is in PyTorch's.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from bench import machine

#: Names of contenders. "_last": the same library, its images laid out channels-last.
PLAIT, TORCH = ("plait", "plait_last"), ("torch", "torch_last")
#: Plait's kernels without the call of Python around them: one call of the native driver.
KERNELS = "plait_kernels"
#: What a copy of as many bytes takes, by NumPy, on as many processors.
COPY = "copyto"
#: In the order of their turns.
CONTENDERS = (*PLAIT, KERNELS, *TORCH, "numpy", COPY)

#: Results with more elements than this are compared, and sent, at every 61st element only.
_MOST_ELEMENTS = 1 << 24
_STRIDE = 61
_LINE = 64  # bytes


def call_on(
    lib: Any, case: Any, arrays: Sequence[Any], last: bool = False
) -> tuple[Callable[[], Any], list[Any]]:
    """(call, inputs): what computes a case by a library that runs eagerly or records.

    last: images and their gradients are laid out channels-last.
    """
    tensors = [_laid_out(lib, array, last) for array in arrays]
    if case.prepare is not None:
        function, leaves = case.prepare(lib, tensors)
    else:
        leaves = [t for t in tensors if t.is_floating_point()]
        function = lambda: case.apply(lib, *tensors)  # noqa: E731 - the twin of `prepare`'s result
    if case.mode == "forward":

        def forward() -> Any:
            with lib.no_grad():
                return (function(),)

        return forward, tensors
    for leaf in leaves:
        leaf.requires_grad_(True)
    if case.mode == "gradient":
        made = function()
        upstream = _upstream(lib, made, last)
        wanted = leaves[case.wrt]
        return lambda: lib.autograd.grad(made, wanted, upstream, retain_graph=True), tensors
    upstream = _upstream(lib, function().detach(), last)

    def step() -> Any:
        made = function()
        return (made.detach(), *lib.autograd.grad(made, leaves, upstream))

    return step, tensors


def _laid_out(lib: Any, array: np.ndarray, last: bool) -> Any:
    if not last or array.ndim != 4:
        return lib.tensor(array)
    # The view of an array with channels last, which both libraries take as such.
    return lib.tensor(np.ascontiguousarray(array.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)


def _upstream(lib: Any, made: Any, last: bool) -> Any:
    """A gradient that is not the same everywhere."""
    values = np.random.RandomState(1).standard_normal(tuple(made.shape)).astype(np.float32)
    return _laid_out(lib, values, last)


def program_of(case: Any, arrays: Sequence[Any], last: bool = False) -> tuple[Any, list[Any]]:
    """(program, inputs): a case as one compiled graph of Plait."""
    import plait
    from plait.core.ir.graph import capture
    from plait.core.runtime.compiled import CompiledGraph

    call, tensors = call_on(plait, case, arrays, last)
    results = call()
    if last:
        # The results' own memory is to be channels-last: then it is as they are made inside.
        results = [r.permute(0, 2, 3, 1) if r.dim() == 4 else r for r in results]
    captured = capture([result.value()[0] for result in results])
    values = [leaf.value for leaf in captured.leaves]
    del tensors, results
    return CompiledGraph(captured.graph), values


def driven(program: Any, values: Sequence[Any]) -> Callable[[], None]:
    """What runs the kernels of a program on arrays that are bound once.

    Raises ValueError where a program is not all native.
    """
    from plait.core.runtime import native
    from plait.core.runtime.arrays import Arena, empty

    inner = program.program
    frame = inner.new_frame()
    if len(frame.segments) != 1 or frame.segments[0].host is not None:
        raise ValueError("not one run of native kernels")
    arena = Arena(frame.arena_bytes)
    frame.move(arena)
    bound = [*values, *[empty(*fresh) for fresh in inner.fresh]]
    if frame.bind(bound):
        raise ValueError("an array does not fit")
    begin, end, _ = frame.segments[0]
    drive = native.load().drive

    def call() -> None:
        if drive(frame.address, begin, end):
            raise ValueError("a check failed")

    call.keeps = [*bound, arena]  # type: ignore[attr-defined]  # kernels read and write them
    return call


def compulsory_bytes(case: Any, arrays: Sequence[Any], whole: int) -> int:
    """Bytes that must move: inputs read once, results written once.

    whole: bytes of all that goes in and out. Of inputs that a case reads in part, the cache lines
    that it touches count.
    """
    if case.picks is None:
        return whole
    table, rows, width = case.picks(*arrays)
    return whole - table.nbytes + rows * -(-width // _LINE) * _LINE


def _call_of(
    contender: str, case: Any, arrays: Sequence[Any]
) -> tuple[Callable[[], Any] | None, int]:
    """(what computes a case, bytes), None where a contender does not have the operation."""
    library, _, layout = contender.partition("_")
    last = layout == "last"
    if library == "plait":
        program, values = program_of(case, arrays, last)
        if contender == KERNELS:
            return driven(program, values), 0
        whole = sum(array.nbytes for array in [*values, *program.run(values)])
        return lambda: program.run(values), compulsory_bytes(case, arrays, whole)
    if library == "numpy":
        return None if case.plain is None else (lambda: (case.plain(*arrays),)), 0
    return call_on(import_module(library), case, arrays, last)[0], 0


def _seen(result: Any, first: bool) -> np.ndarray:
    """A result as it is compared; first: it is to be turned from channels-last."""
    array = np.asarray(result)
    if first and array.ndim == 4:
        array = array.transpose(0, 3, 1, 2)
    return array if array.size <= _MOST_ELEMENTS else array.reshape(-1)[::_STRIDE].copy()


def serve(pipe: Any, contender: str, threads: int) -> None:
    """Answer, for one contender: ("case", group, number, huge) with (its results, compulsory
    bytes), with None or the reason why there are none; ("block", seconds, realtime) with the
    seconds of a call."""
    from bench.kernel_cases import GROUPS

    machine.limit_processors(threads)
    if contender != "numpy":
        import_module(contender.partition("_")[0]).set_num_threads(threads)
    call: Callable[[], Any] | None = None
    pace = 1.0
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            kind, *given = pipe.recv()
            if kind == "block":
                assert call is not None
                seconds, realtime = given
                with machine.precedence(realtime):
                    pace = timed(call, max(1, round(seconds / pace)))
                pipe.send(pace)
                continue
            group, number, huge = given
            case = list(GROUPS[group](huge))[number]
            call = None  # lets go of the case before
            try:
                call, size = _call_of(contender, case, case.arrays())
                turned = contender == "plait_last"
                results = (call() or ()) if call else ()
                pipe.send(([_seen(part, turned) for part in results], size) if call else None)
                del results
            except Exception as fault:
                call = None
                pipe.send(f"{type(fault).__name__}: {fault}"[:200])
            pace = timed(call, 1) if call else 1.0


def serve_copies(pipe: Any, number: int, threads: int) -> None:
    """One processor's part of copies: ("size", bytes) makes a source and a target of half of them
    by the number of threads; ("block", count, realtime) sends the seconds of a copy."""
    machine.limit_processors(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})
    copy: Callable[[], Any] | None = None
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            kind, *given = pipe.recv()
            if kind == "size":
                copy = _copy_of(max(given[0] // 2 // threads, 1))
                pipe.send(timed(copy, 2))
                continue
            assert copy is not None
            count, realtime = given
            with machine.precedence(realtime):
                pipe.send(timed(copy, count))


def _copy_of(size: int) -> Callable[[], Any]:
    """A copy of so many bytes to so many others, on pages of their own."""
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)
    return lambda: np.copyto(target, source)


class Copies:
    """Copies of a number of bytes, read and written, by a process for each processor.

    `np.copyto` works on one thread, and threads of Python would wait for each other between copies.
    """

    def __init__(self, pipes: Sequence[Any]) -> None:
        self._pipes = pipes
        self._pace = 1.0

    def take(self, size: int) -> None:
        """Copy so many bytes from now on, half of them read, half of them written."""
        self._pace = max(self._asked("size", size))

    def block(self, seconds: float, realtime: bool) -> float:
        """Seconds of a copy by all processors at once: the slowest's."""
        self._pace = max(self._asked("block", max(1, round(seconds / self._pace)), realtime))
        return self._pace

    def _asked(self, *command: Any) -> list[float]:
        for pipe in self._pipes:
            pipe.send(command)
        return [pipe.recv() for pipe in self._pipes]


@contextlib.contextmanager
def contenders(names: Sequence[str], threads: int) -> Iterator[dict[str, Any]]:
    """What to talk to, by contender: the pipe of a process that serves, or `Copies`."""
    context = multiprocessing.get_context("spawn")
    talk: dict[str, Any] = {}
    processes = []

    def start(target: Callable[..., None], *given: Any) -> Any:
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, *given, threads), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)
        return ours

    try:
        for name in names:
            if name == COPY:
                talk[name] = Copies([start(serve_copies, number) for number in range(threads)])
            else:
                talk[name] = start(serve, name)
        yield talk
    finally:
        for process in processes:
            process.terminate()
            process.join()


def timed(call: Callable[[], Any], count: int) -> float:
    """Seconds of a call, as a mean of so many."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
