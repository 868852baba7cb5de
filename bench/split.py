"""Where the time of changing programs goes: recording, planning or running.

A timer asks 1,000 times a second what the main thread is at (`signal.ITIMER_REAL`). A signal is
taken when a native call has come back, so that kernels count for the line that called them.
"""

from __future__ import annotations

import collections
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import plait
from bench.dynamic import KINDS

PERIOD = 1e-3

_FOLDER = plait.__path__[0]
#: Below these, kernels are chosen, written, compiled and linked; below those, they run.
_PLANNING = tuple(f"{_FOLDER}/core/{part}" for part in ("compiler/", "codegen/", "llvm/"))
_RUNNING = tuple(
    f"{_FOLDER}/core/{name}.py"
    for name in ("runtime/program", "runtime/frame", "runtime/arrays", "reference/executor")
)
#: Makes programs, or looks them up by structure, and calls `Program.run` otherwise.
_COMPILED = f"{_FOLDER}/core/runtime/compiled.py"


def kind_of(frame: FrameType | None) -> str:
    """What a stack of frames is at: the innermost of these that is on it."""
    while frame is not None:
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if file.startswith(_PLANNING) or (file == _COMPILED and "run" not in name):
            return "planning"
        if file in _RUNNING:
            return "planning" if _makes(frame) else "running"
        frame = frame.f_back
    return "recording"


def _makes(frame: FrameType | None) -> bool:
    """Whether a program is being made, not run."""
    while frame is not None:
        if frame.f_code.co_filename == _COMPILED and frame.f_code.co_name == "__init__":
            return True
        frame = frame.f_back
    return False


def shares(work: Callable[[], Any]) -> dict[str, float]:
    """The share of each kind in the time that some work takes."""
    seen: collections.Counter[str] = collections.Counter()

    def look(number: int, frame: FrameType | None) -> None:
        seen[kind_of(frame)] += 1

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, PERIOD, PERIOD)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    total = max(1, sum(seen.values()))
    return {kind: seen[kind] / total for kind in KINDS}
