"""Guard pages around the buffers of kernels: that they catch what they are for, and a slice of
random graphs between them. The whole suite runs so with `PLAIT_GUARD=end` and `PLAIT_GUARD=start`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Launches a kernel that reads (or writes) the float32 at an index of a buffer of three.
_STRAY = """
import sys
import numpy as np
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function
from plait.core.compiler.plan import Buffer
from plait.core.ir.dtypes import float32
from plait.core.llvm.target import target
from plait.core.runtime.program import Program

what, index = sys.argv[1], sys.argv[2]

def emit(symbol, on):
    f = Function(symbol)
    y, x = f.argument(0), f.argument(1)
    source, to = {"read": (index, "0"), "write": ("0", index)}.get(what, ("0", "0"))
    value = f.load("float", f.at(x, source, "float"), 4)
    if what == "operand":
        y, value = x, f.let(f"fneg float {value}")
    f.store("float", value, f.at(y, to, "float"), 4)
    f.ret()
    return f

x, y = Buffer((3,), float32, "input"), Buffer((3,), float32, "output")
other = Buffer((3,), float32, "input")
launch = Launch(Kernel("stray", (what, index), emit), (y,), (x, other))
print(Program([launch], [x, other], [y], target()).run([np.ones(3, "f"), np.ones(3, "f")])[0][0])
"""


def _run(side: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PLAIT_GUARD": side, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("what", ["read", "write"])
@pytest.mark.parametrize(("side", "index"), [("end", "3"), ("start", "-1")])
def test_an_access_past_the_border_ends_the_process(what: str, side: str, index: str) -> None:
    assert _run(side, "-c", _STRAY, what, index).returncode == -signal.SIGSEGV


def test_writes_beside_a_buffer_and_into_operands_are_errors() -> None:
    beside = _run("start", "-c", _STRAY, "write", "4")
    assert "kernel stray" in beside.stderr and "outside of a buffer" in beside.stderr
    operand = _run("end", "-c", _STRAY, "operand", "0")
    assert "writes into an operand" in operand.stderr
    inside = _run("end", "-c", _STRAY, "read", "2")
    assert (inside.returncode, inside.stdout.strip()) == (0, "1.0")


def test_unknown_sides_are_named() -> None:
    assert (
        "PLAIT_GUARD='left': expected end or start"
        in _run("left", "-c", _STRAY, "read", "0").stderr
    )


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
@pytest.mark.parametrize("side", ["end", "start"])
def test_random_graphs_stay_inside(side: str, isa: str) -> None:
    first = {"end": "300000", "start": "310000"}[side]
    done = _run(side, "-m", "tests.compiler.fuzz", "--first", first, "--count", "15", "--isa", isa)
    if "this machine has" in done.stderr:
        pytest.skip(f"this machine has no {isa}")
    assert done.returncode == 0, done.stdout + done.stderr
