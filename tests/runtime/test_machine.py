"""AMX is used where a trial in another process goes well, and not asked about elsewhere."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.core.codegen.text import module
from plait.core.compiler.plan import Buffer
from plait.core.ir.dtypes import float32
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.llvm.target import Target, target
from plait.core.ops.math import RELU
from plait.core.runtime import amx_trial, compiled, kernels, machine, object_cache
from plait.core.runtime.program import Program
from tests.codegen.amx_emulator import emulator

FEATURES = ",+amx-tile,+amx-bf16"


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A target that says it has AMX; an empty cache; faults are reported."""
    monkeypatch.setenv("PLAIT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PLAIT_LOG", "targets")
    plain = target().without_amx()
    if plain.isa != "avx512":
        pytest.skip("no CPU has AMX without AVX-512")
    return replace(plain, amx=True, features=plain.features + FEATURES)


def answer(
    monkeypatch: pytest.MonkeyPatch, code: int | None, message: str = "", times: int = 1
) -> None:
    """Have trials end so, so many; None: they do not end."""
    left = [times]

    def run(name: str, given: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
        left[0] -= 1
        assert left[0] >= 0, "a trial too many"
        if code is None:
            raise subprocess.TimeoutExpired(name, seconds)
        return subprocess.CompletedProcess(name, code, b"", message.encode())

    monkeypatch.setattr(machine, "run_module", run)


def test_without_amx_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with it, here, it works: a CPU that has it and fails is a fault to look at."""
    monkeypatch.setattr(machine, "machine", machine.machine.__wrapped__)
    if not target().amx:
        answer(monkeypatch, 0, times=0)
    assert machine.machine() == target()
    answer(monkeypatch, 0, times=0)
    assert not machine.machine("avx2").amx


@pytest.mark.skipif(target().amx, reason="what is to go wrong goes well on this CPU")
def test_a_cpu_that_only_promises_amx(on: Target, capfd: pytest.CaptureFixture) -> None:
    """The process dies of the first instruction, not this one; and the next need not."""
    kept = machine.tried(on)
    assert kept == target().without_amx() and "amx" not in kept.features
    line = "plait [targets] AMX is not used: the trial died of signal 4\n"
    assert capfd.readouterr().err == line
    folder = object_cache.folder()
    assert folder is not None
    assert [name for name in folder.names() if name.startswith("amx-fails")]


def test_a_fault_is_remembered(on: Target, monkeypatch: Any, capfd: Any) -> None:
    answer(monkeypatch, 1, "Traceback\nwrong sums\n")
    for _ in range(2):
        assert not machine.tried(on).amx
        assert capfd.readouterr().err == "plait [targets] AMX is not used: wrong sums\n"
    monkeypatch.delenv("PLAIT_LOG")
    assert not machine.tried(on).amx
    assert capfd.readouterr().err == ""


def test_what_works_is_remembered(on: Target, monkeypatch: Any, capfd: Any) -> None:
    answer(monkeypatch, 0)
    assert machine.tried(on) is on and machine.tried(on) is on
    assert capfd.readouterr().err == ""


def test_a_trial_that_does_not_end_is_tried_again(on: Target, monkeypatch: Any) -> None:
    answer(monkeypatch, None)
    assert not machine.tried(on).amx
    answer(monkeypatch, 0)
    assert machine.tried(on) is on


def test_the_target_is_the_one_programs_are_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from plait.core.runtime.compiled import host_target

    assert host_target() == machine.machine()
    monkeypatch.setenv("PLAIT_ISA", "avx2")
    if target().isa == "avx512":
        assert host_target() == target("avx2")


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Target:
    """A target whose kernels run on the emulator."""
    plain = target("avx512") if target().isa == "avx512" else pytest.skip("needs AVX-512")
    emulator.reset()
    monkeypatch.setenv("PLAIT_CACHE_MB", "0")
    monkeypatch.setattr(kernels, "_addresses", {})
    monkeypatch.setattr(kernels, "module", lambda *given: emulator.rewritten(module(*given)))
    return replace(plain, amx=True)


def test_a_trial_finds_all_right(emulated: Target) -> None:
    assert amx_trial.first_wrong(emulated) == ""
    assert not emulator.faults and not emulator.is_configured()
    counts = emulator.counts
    assert counts["tdpbf16ps"] > 1000 and counts["ldtilecfg"] == counts["tilerelease"]


def test_a_trial_finds_what_is_wrong(emulated: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    multiply = emulator.tdpbf16ps

    def forgetful(thread: Any, *operands: int) -> None:
        if emulator.counts["tdpbf16ps"] != 999:
            multiply(thread, *operands)

    monkeypatch.setattr(emulator, "tdpbf16ps", forgetful)
    assert amx_trial.first_wrong(emulated).startswith("wrong sums of ")


def test_the_target_has_amx_where_cpu_and_system_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where nobody asks for AVX-512 by name, which is how to do without."""
    import llvmlite.binding as llvm

    from plait.core.llvm import target as module

    have = dict.fromkeys([*module._AVX512, "amx-tile", "amx-bf16", "amx-int8"], True)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: have)
    monkeypatch.setattr(module, "ask_for_tiles", lambda: True)
    found = target.__wrapped__()
    if not found.triple.startswith("x86_64"):
        pytest.skip("AMX is of x86")
    assert found.amx and found.features.endswith(FEATURES) and "amx-int8" not in found.features
    assert not target.__wrapped__("avx512").amx
    assert found.without_amx() == target.__wrapped__("avx512")
    monkeypatch.setattr(module, "ask_for_tiles", lambda: False)
    assert not target.__wrapped__().amx
    have["amx-bf16"] = False
    monkeypatch.setattr(module, "ask_for_tiles", lambda: True)
    assert not target.__wrapped__().amx


def test_bodies_of_control_flow_are_for_the_same_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the flags say when they are met."""
    seen = []
    make = compiled.CompiledGraph

    def recorded(graph: Graph, on: Target) -> compiled.CompiledGraph:
        seen.append(on)
        return make(graph, on=on)

    monkeypatch.setattr(compiled, "CompiledGraph", recorded)
    on = replace(target(), l2_bytes=54321)
    x = Buffer((3,), float32, "input")
    graph = trace(lambda x: (RELU(x),), [Spec((3,), float32)])
    result = Program([], [x], [x], on)._nested(graph, [np.array([-1, 0, 2], np.float32)])
    assert seen == [on] and result[0].tolist() == [0, 0, 2]


def test_without_a_folder_nothing_is_remembered(on: Target, monkeypatch: Any) -> None:
    monkeypatch.setenv("PLAIT_CACHE_MB", "0")
    answer(monkeypatch, 0, times=2)
    assert machine.tried(on) is on and machine.tried(on) is on
    answer(monkeypatch, 1, "wrong sums")
    assert not machine.tried(on).amx
