"""Compiling in another process, for code on which LLVM may end the process that runs it.

The other process reads one line of JSON (the target, whether to optimize) and then IR text from its
standard input, and writes object code to its standard output.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

from plait.core.llvm.build import build
from plait.core.llvm.target import Target


class CompilerCrash(RuntimeError):
    """LLVM ended the process that compiled."""


def run_module(
    name: str, given: bytes, seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a module of Plait as a program in a new process, with its standard input given. Raises
    OSError, subprocess.TimeoutExpired."""
    root = os.path.dirname(os.path.abspath(__file__))
    for _ in __name__.split(".")[:-1]:
        root = os.path.dirname(root)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", name],
        input=given,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
        timeout=seconds,
    )


def build_isolated(text: str, target: Target, *, optimize: bool = False) -> bytes:
    """As `build`, in a new process. Raises CompilerCrash where that one dies of a signal,
    RuntimeError with its message for any other failure."""
    head = json.dumps({"target": dataclasses.asdict(target), "optimize": optimize})
    done = run_module(__name__, f"{head}\n{text}".encode())
    if done.returncode == 0:
        return done.stdout
    message = done.stderr.decode(errors="replace").strip()[-2000:]
    if done.returncode < 0:
        raise CompilerCrash(f"LLVM died of signal {-done.returncode}: {message}")
    raise RuntimeError(message)


def main() -> None:
    """What the other process does."""
    head, text = sys.stdin.buffer.read().decode().split("\n", 1)
    given = json.loads(head)
    data = build(text, Target(**given["target"]), optimize=given["optimize"])
    sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
