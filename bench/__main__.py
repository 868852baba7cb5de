"""`python -m bench`: run workloads on frameworks and print the comparison. See bench/README.md."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable

from bench import machine
from bench.compare import Result, compare
from bench.interpreters import parse_interpreters
from bench.report import failures, table
from bench.workloads import WORKLOADS

FRAMEWORKS = (
    "plait",
    "plait_compile",
    "torch",
    "torch_compile",
    "jax",
    "tf_function",
    "onnxruntime",
)


def _names(known: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return names

    return parse


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    workloads = list(WORKLOADS)
    parser.add_argument(
        "--frameworks", type=_names(list(FRAMEWORKS)), default=["plait", "plait_compile", "torch"]
    )
    parser.add_argument("--workloads", type=_names(workloads), default=workloads)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--block-seconds", type=float, default=0.4)
    parser.add_argument("--threads", type=int, default=machine.default_threads())
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="the Python that runs a framework (tf=venv/bin/python), if not this one",
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="run timed blocks before all other processes (SCHED_RR; needs the privilege)",
    )
    return parser.parse_args()


def main() -> int:
    """Print the table; 1 where a framework failed or the losses differ."""
    arguments = _arguments()
    pythons = parse_interpreters(arguments.python)
    # Read by the pools of the workers, which inherit it, when they are loaded.
    for pool in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{pool}_NUM_THREADS"] = str(arguments.threads)
    rows: dict[str, list[Result]] = {}
    for name in arguments.workloads:
        rows[name] = compare(
            WORKLOADS[name],
            arguments.frameworks,
            arguments.threads,
            arguments.rounds,
            arguments.block_seconds,
            arguments.realtime,
            pythons,
        )
        print(f"{name} done", file=sys.stderr, flush=True)
    text = table(rows, arguments.frameworks)
    print(f"\n{text}\n")
    troubles = failures(rows)
    for line in troubles:
        print(line)
    versions = {r.framework: r.version for results in rows.values() for r in results if r.version}
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{time.strftime('%Y-%m-%d')}; {machine.describe(arguments.threads)}; {named}")
    print(f"python -m bench {shlex.join(sys.argv[1:])}".rstrip())
    failed = any(result.failure for results in rows.values() for result in results)
    return int(failed or "DIFFER" in text)


if __name__ == "__main__":
    sys.exit(main())
