"""Programs that change their structure each step: time and memory. `python -m bench.dynamic`.

Each program is plain PyTorch and runs on both frameworks, in a fresh process each. Printed are
milliseconds a step, what the process has grown by from a tenth of the steps to the end, and of
Plait the shares of recording, planning and running in the time of as many steps again as a tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from bench.changing import PROGRAMS
from bench.interpreters import interpreter, parse_interpreters

#: What the time of a step is split into (`bench/split.py`).
KINDS = ("recording", "planning", "running")


def measure_here(framework: str, name: str, steps: int) -> dict[str, float]:
    """Milliseconds a step, megabytes of growth and shares, in this fresh process."""
    if framework == "plait":
        import plait as torch
    else:
        import torch  # type: ignore[no-redef]  # the other framework's process
    torch.set_num_threads(2)
    torch.manual_seed(0)
    _, step = PROGRAMS[name](torch, random.Random(0))
    for _ in range(steps // 10):
        step().item()
    before, start = _resident(), time.perf_counter()
    for _ in range(steps):
        step().item()
    found = {"ms": 1000 * (time.perf_counter() - start) / steps, "grown_mb": _resident() - before}
    if framework == "plait":
        from bench.split import shares  # not at the top: it is of Plait alone

        found |= shares(lambda: [step().item() for _ in range(steps // 10)])
    return found


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> None:
    """Print a table, a row per program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--python", action="append", default=[], metavar="FRAMEWORK=PATH")
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        framework, name = given.here
        print(json.dumps(measure_here(framework, name, given.steps)))
        return
    pythons = parse_interpreters(given.python)
    print("| program | framework | ms a step | MB grown | recording | planning | running |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in PROGRAMS:
        for framework in ("plait", "torch"):
            command = [interpreter(pythons, framework), "-m", "bench.dynamic"]
            command += ["--here", framework, name, "--steps", str(given.steps)]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                print(done.stderr[-300:], file=sys.stderr)
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            parts = [f"{found[kind]:.0%}" if kind in found else "" for kind in KINDS]
            row = [name, framework, f"{found['ms']:.2f}", f"{found['grown_mb']:.1f}", *parts]
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
