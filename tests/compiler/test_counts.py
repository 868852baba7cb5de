"""The programs of the benchmark's compiled steps: how many launches, kernels and bytes, exactly.

A change of these numbers is a change of fusion or of lowering: for the better, renew the table with

    PLAIT_BACKEND=compiled PLAIT_ISA=avx2 python -m tests.compiler.step_counts <workload>
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plait.core.llvm.target import target

ROOT = Path(__file__).resolve().parents[2]

#: Launches of one step, distinct kernels among them, and bytes that the launches move.
COUNTS: dict[str, tuple[int, int, int]] = {
    "linreg": (4, 4, 2848),
    "mlp": (18, 16, 2549444),
    "mlp_adam": (15, 13, 4003676),
    "lenet": (47, 37, 9822588),
    "gan": (54, 34, 15270396),
    "lstm": (126, 24, 170118028),
    "recsys": (25, 18, 112556592),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object cache that the workloads share."""
    return tmp_path_factory.mktemp("objects")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """The counts of a workload, by a process of its own."""
    flags = {"PLAIT_BACKEND": "compiled", "PLAIT_ISA": "avx2", "PLAIT_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.compiler.step_counts", name],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **flags},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(autouse=True)
def avx2() -> None:
    """The table is that of one instruction set: tiles, and so pieces of work, differ by it."""
    try:
        target("avx2")
    except ValueError:
        pytest.skip("this machine has no AVX2")


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str, folder: Path) -> None:
    found = measure(name, folder)
    assert found["host"] == []
    assert found["copied"] == 0  # parameters and their state are updated in place
    assert found["programs"] == 1
    assert (found["launches"], found["kernels"], found["bytes"]) == COUNTS[name]


def test_a_second_process_compiles_nothing(folder: Path) -> None:
    measure("mlp", folder)
    assert measure("mlp", folder)["compiled"] == 0
