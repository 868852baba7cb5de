"""What a framework costs around its steps: import, start, memory. `python -m bench.footprint`.

A fresh process each time, with an empty folder for what the framework keeps between runs ("cold"),
then once more with what that run left in it ("warm"). Seconds are counted from the start of the
process until the loss of the first step, and of the second, has been read (a framework may put its
compiling off until then); the time in which the benchmark makes up its own numbers is taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from bench import machine
from bench.interpreters import interpreter, parse_interpreters

FRAMEWORKS = ("plait", "plait_compile", "torch", "torch_compile", "jax", "tf_function")
_PACKAGES = {"tf": "tensorflow"}  # where a framework's name is not that of its package
_CACHES = (
    "PLAIT_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
)
_STEPS = 3  # after the first two, for the peak of memory


# -- in the process that is measured --------------------------------------------------------------


class Clock:
    """Seconds spent inside functions that were put under it, those of all threads together."""

    def __init__(self) -> None:
        self._spans: list[float] = []

    @property
    def seconds(self) -> float:
        return sum(self._spans)

    def times(self, holder: Any, name: str) -> None:
        """Replace a function by one that counts its time here."""
        plain = getattr(holder, name)

        @wraps(plain)
        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return plain(*args, **options)
            finally:
                self._spans.append(time.perf_counter() - start)

        setattr(holder, name, timed)


def measure_here(framework: str, workload: str, threads: int, started: float) -> dict[str, float]:
    """Import, build, step, in this fresh process, which began at `started` (time.time())."""
    kind = framework.partition("_")[0]
    before = time.perf_counter()
    __import__(_PACKAGES.get(kind, kind))
    imported = time.perf_counter() - before
    after_import = _peak_megabytes()
    import bench.workloads

    numbers = Clock()
    for name in ("make_batches", "initial_weights"):
        numbers.times(bench.workloads, name)
    from bench.worker import Session

    report = _watch_plait() if kind == "plait" else dict
    before = time.perf_counter()
    session = Session(framework, workload, threads)
    built = time.perf_counter() - before - numbers.seconds
    before = time.perf_counter()
    session.first()
    stepped = time.perf_counter() - before
    total = time.time() - started - numbers.seconds
    session.first()
    second = time.time() - started - numbers.seconds
    for _ in range(_STEPS):
        session.first()
    return {
        "import_s": imported,
        "build_s": built,
        "step_s": stepped,
        "total_s": total,
        "second_s": second,
        "import_mb": after_import,
        "peak_mb": _peak_megabytes() - after_import,
        **report(),
    }


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in kilobytes


def _watch_plait() -> Callable[[], dict[str, float]]:
    """Count kernels, and the time that compiling takes; gives a function that tells."""
    from plait.core.runtime import compiled, kernels

    batches, llvm, lowering = Clock(), Clock(), Clock()
    batches.times(kernels, "_compile_here")  # writes the IR, has LLVM build it, keeps the object
    llvm.times(kernels, "build")
    lowering.times(compiled, "run_passes")
    lowering.times(compiled, "lower")
    return lambda: {
        "compiled": kernels.compiled,
        "loaded": kernels.loaded,
        "lowering_s": lowering.seconds,
        "kernels_s": batches.seconds,
        "llvm_s": llvm.seconds,
    }


# -- in the process that asks ---------------------------------------------------------------------


def measure(
    framework: str, workload: str, threads: int, pythons: Mapping[str, str], folder: str
) -> dict[str, float]:
    """What a fresh process measures, with its caches in `folder`. Raises RuntimeError."""
    caches = {name: f"{folder}/{name.lower()}" for name in _CACHES}
    environment = {
        # Bytecode is kept, as an installation makes it.
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        **caches,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    command = [interpreter(pythons, framework), "-m", "bench.footprint", "--here"]
    command += [framework, workload, str(threads), str(time.time())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(done.stderr.split())[-160:])
    return json.loads(done.stdout.splitlines()[-1])


def row(workload: str, framework: str, cold: Any, warm: Any) -> str:
    """A line of the table of starts."""
    cells = [workload, framework, f"{cold['import_s']:.2f}"]
    for times in (cold, warm):
        cells += [f"{times[name]:.2f}" for name in ("total_s", "second_s")]
    cells += [f"{cold['import_mb']:.0f}", f"{cold['peak_mb']:.0f}", f"{warm['peak_mb']:.0f}"]
    return f"| {' | '.join(cells)} |"


def detail(workload: str, framework: str, times: Mapping[str, float], state: str) -> str:
    """A line of the table of where Plait's start went."""
    cells = [workload, framework, state]
    cells += [f"{times[name]:.0f}" for name in ("compiled", "loaded")]
    names = ("import_s", "build_s", "step_s", "lowering_s", "kernels_s", "llvm_s")
    cells += [f"{times[name]:.2f}" for name in names]
    return f"| {' | '.join(cells)} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.footprint", description=__doc__)
    parser.add_argument("--frameworks", default="plait_compile,torch,jax")
    parser.add_argument("--workloads", default="mlp,resnet18_cifar")
    parser.add_argument("--threads", type=int, default=machine.default_threads())
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--here", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Print two tables; 1 where a framework failed."""
    arguments = _arguments()
    if arguments.here:
        framework, workload, threads, started = arguments.here
        print(json.dumps(measure_here(framework, workload, int(threads), float(started))))
        return 0
    pythons = parse_interpreters(arguments.python)
    lines, details, troubles = [], [], []
    for workload in arguments.workloads.split(","):
        for framework in arguments.frameworks.split(","):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    cold, warm = (
                        measure(framework, workload, arguments.threads, pythons, folder)
                        for _ in range(2)
                    )
                except RuntimeError as fault:
                    troubles.append(f"{workload}, {framework}: {fault}")
                    continue
            lines.append(row(workload, framework, cold, warm))
            if "compiled" in cold:
                details += [
                    detail(workload, framework, times, state)
                    for times, state in ((cold, "cold"), (warm, "warm"))
                ]
    print("| workload | framework | import s | cold: first step s | second s ", end="")
    print("| warm: first step s | second s | MB imported | MB more, cold | MB more, warm |")
    print("|" + " --- |" * 10, *lines, sep="\n")
    if details:
        print("\n| workload | framework | cache | kernels compiled | loaded ", end="")
        print("| import s | model s | first step s | passes, lowering s | kernels s ", end="")
        print("| LLVM s, of all threads |")
        print("|" + " --- |" * 11, *details, sep="\n")
    print("", *troubles, machine.describe(arguments.threads), sep="\n")
    print(f"python -m bench.footprint {shlex.join(sys.argv[1:])}".rstrip())
    return int(bool(troubles))


if __name__ == "__main__":
    sys.exit(main())
