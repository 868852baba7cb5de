"""What the programs of a benchmark workload's compiled step hold; run as a process of its own.

    python -m tests.compiler.step_counts mlp_adam

Prints a line of JSON: launches, distinct kernels, bytes (sum of `Launch.bytes`), host steps (their
ops' names) and results copied over inputs of the programs that one settled step runs; and how many
kernels the process compiled.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from bench.worker import build_on_torch
from bench.workloads import WORKLOADS, make_batches
from plait.core.compiler.steps import HostStep
from plait.core.runtime import kernels
from plait.core.runtime.program import Program


def measure(name: str) -> dict[str, Any]:
    """The counts of a workload."""
    workload = WORKLOADS[name]
    step, batches, _ = build_on_torch(workload, make_batches(workload, 2), "step", "plait", 1)
    for batch in (batches * 2)[:3]:
        np.asarray(step(*batch))
    ran: list[Program] = []
    plain = Program.run

    def counting(self: Program, *given: Any) -> list[Any]:
        ran.append(self)
        return plain(self, *given)

    Program.run = counting  # type: ignore[method-assign]  # for the rest of this process
    np.asarray(step(*batches[0]))
    steps = [s for program in ran for phase in program.phases for s in phase.steps]
    host = [s.instruction.op.name for s in steps if isinstance(s, HostStep)]
    launches = [s for s in steps if not isinstance(s, HostStep)]
    return {
        "programs": len(ran),
        "launches": len(launches),
        "kernels": len({launch.kernel for launch in launches}),
        "bytes": sum(launch.bytes for launch in launches),
        "host": host,
        "copied": sum(len(program.copied) for program in ran),
        "compiled": kernels.compiled,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
