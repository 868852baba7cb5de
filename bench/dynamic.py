"""Programs that change their structure each step: time and memory. `python -m bench.dynamic`.

Each program is plain PyTorch and runs on both frameworks, in a fresh process each. Printed are
milliseconds a step, and what the process has grown by from a tenth of the steps to the end.
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


def measure_here(framework: str, name: str, steps: int) -> dict[str, float]:
    """Milliseconds a step and megabytes of growth, in this fresh process."""
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
    seconds = time.perf_counter() - start
    return {"ms": 1000 * seconds / steps, "grown_mb": _resident() - before}


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
    print("| program | framework | ms a step | MB grown |\n| --- | --- | --- | --- |")
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
            print(f"| {name} | {framework} | {found['ms']:.2f} | {found['grown_mb']:.1f} |")


if __name__ == "__main__":
    main()
