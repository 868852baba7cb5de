"""The target that programs are made for: what the CPU says it has, once that has been tried.

A CPU with AMX is asked for some products first (`amx_trial.py`), in another process, which may die
of it: the code was written without such a CPU at hand, and a machine within a machine may promise
too much. The answer is kept in the folder of object code, so that one process of many asks, and a
new version of Plait or LLVM asks again. Where products are wrong or do not come, AMX is not used,
and `PLAIT_LOG=targets` says why. Other CPUs are asked nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import subprocess
import sys

from plait.core.llvm.isolate import run_module
from plait.core.llvm.target import Target, target
from plait.core.runtime import object_cache
from plait.core.runtime.config import flag

#: Seconds after which a trial is given up: it takes one or two.
_PATIENCE = 120.0


@functools.cache
def machine(isa: str = "") -> Target:
    """The target of this machine, or a lesser instruction set of it. Raises as `target` does."""
    on = target(isa)
    return tried(on) if on.amx else on


def tried(on: Target) -> Target:
    """A target with AMX, or the same without it where that does not work."""
    fault = _known_fault(on)
    if fault is None:
        return on
    if "targets" in str(flag("PLAIT_LOG")).split(","):
        print(f"plait [targets] AMX is not used: {fault}", file=sys.stderr)
    return on.without_amx()


def _known_fault(on: Target) -> str | None:
    """What is wrong with AMX here, by a trial now or an earlier one; None: nothing."""
    folder = object_cache.folder()
    works, fails = [f"amx-{word}-{object_cache.fingerprint(on)}" for word in ("works", "fails")]
    if folder is not None:
        if folder.exists(works):
            return None
        if (found := folder.read_bytes(fails)) is not None:
            return found.decode(errors="replace")
    try:
        fault = _fault(on)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"the trial did not end: {problem}"  # which another process may try again
    if folder is not None:
        with contextlib.suppress(OSError):
            folder.write_bytes(works if fault is None else fails, (fault or "").encode())
    return fault


def _fault(on: Target) -> str | None:
    """What a trial finds wrong. Raises OSError, subprocess.TimeoutExpired where there is none."""
    given = json.dumps(dataclasses.asdict(on)).encode()
    done = run_module("plait.core.runtime.amx_trial", given, _PATIENCE)
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"the trial died of signal {-done.returncode}"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"the trial ended with {done.returncode}"
