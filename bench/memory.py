"""The memory of a training step in the long run. `python -m bench.memory gpt_mini`.

Each framework runs in a fresh process. When its steps have settled, the system's high-water mark is
set back, and read after some more steps: what the process holds at most, above what it held after
the import of the framework, and in all. Linux only. Of Plait also the arena of its largest program.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.interpreters import interpreter, parse_interpreters

FRAMEWORKS = ("plait", "plait_compile", "torch")
#: Steps until nothing grows or is given back any more, and steps that are measured.
_SETTLED, _STEPS = 20, 3


def measure_here(framework: str, workload: str, threads: int) -> dict[str, float]:
    """Megabytes of steady steps, in this fresh process."""
    kind = framework.partition("_")[0]
    __import__(kind)
    imported = _megabytes("VmRSS")
    programs = _watch_plait() if kind == "plait" else []
    from bench.worker import Session

    session = Session(framework, workload, threads)
    for _ in range(_SETTLED):
        session.first()
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    for _ in range(_STEPS):
        session.first()
    peak = _megabytes("VmHWM")
    arena = max((program.layout.nbytes for program in programs), default=0) / (1 << 20)
    return {"step": peak - imported, "process": peak, "arena": arena}


def _megabytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} in /proc/self/status")


def _watch_plait() -> list[Any]:
    """The programs that will be made."""
    from plait.core.runtime import compiled

    made: list[Any] = []

    class Watched(compiled.Program):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    compiled.Program = Watched  # type: ignore[misc]  # this process does nothing else
    return made


def measure(framework: str, workload: str, threads: int, pythons: Mapping[str, str]) -> Any:
    """What a fresh process measures. Raises RuntimeError."""
    command = [interpreter(pythons, framework), "-m", "bench.memory", "--here"]
    command += [workload, "--framework", framework, "--threads", str(threads)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(done.stderr.split())[-160:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a table for a workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--framework", default="", help=argparse.SUPPRESS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure_here(given.framework, given.workload, given.threads)))
        return
    pythons = parse_interpreters(given.python)
    print(f"{given.workload}, {time.strftime('%Y-%m-%d')}: MB of {_STEPS} steps after {_SETTLED}")
    print("| framework | above import | process | arena |\n| --- | --- | --- | --- |")
    for framework in FRAMEWORKS:
        try:
            found = measure(framework, given.workload, given.threads, pythons)
        except RuntimeError as fault:
            print(f"| {framework} | {fault} | | |", file=sys.stderr)
            continue
        arena = f"{found['arena']:.0f}" if found["arena"] else "-"
        print(f"| {framework} | {found['step']:.0f} | {found['process']:.0f} | {arena} |")


if __name__ == "__main__":
    main()
