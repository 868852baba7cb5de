"""What the judges by PyTorch's databases share: values carried over, verdicts in child processes.

A judge of one entry runs in a child process, so that a crash or a hang is a finding, not the end.
"""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.parity.opinfo import translated

#: Seconds that one entry may take: of computing, which a busy machine does not change, and on the
#: clock, for one that waits for ever.
LIMIT, CLOCK_LIMIT = 120, 1800


def carried(value: Any, torch: Any, plait: Any) -> Any:
    """PyTorch's value as Plait's: as `opinfo.translated`, one tensor for one tensor; packed
    sequences, parameters, modules, functions and options of PyTorch as their namesakes."""
    return _Carrier(torch, plait).carry(value)


class _Carrier:
    """Carries values over; `seen` has the tensors that were, by identity."""

    def __init__(self, torch: Any, plait: Any) -> None:
        self.torch, self.plait = torch, plait
        self.seen: dict[int, Any] = {}

    def carry(self, value: Any) -> Any:
        torch, plait = self.torch, self.plait
        if isinstance(value, torch.Tensor):
            if id(value) not in self.seen:
                self.seen[id(value)] = self._tensor(value)
            return self.seen[id(value)]
        if isinstance(value, torch.nn.utils.rnn.PackedSequence):
            return plait.nn.utils.rnn.PackedSequence(*map(self.carry, value))
        if type(value) in (list, tuple):
            return type(value)(map(self.carry, value))
        if isinstance(value, dict):
            return {key: self.carry(held) for key, held in value.items()}
        if isinstance(value, torch.nn.Module):
            return self._module(value)
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith("torch."):
            parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            return getattr(plait.nn, type(value).__name__)(**self.carry(parts))
        if callable(value):
            for theirs, ours in ((torch, plait), (torch.nn.functional, plait.nn.functional)):
                name = getattr(value, "__name__", "")
                if getattr(theirs, name, None) is value:
                    return getattr(ours, name)
        return translated(value, torch, plait)

    def _tensor(self, value: Any) -> Any:
        if isinstance(value, self.torch.nn.Parameter):
            data = translated(value.detach(), self.torch, self.plait)
            return self.plait.nn.Parameter(data, requires_grad=value.requires_grad)
        if value.is_sparse and value.sparse_dim() == 1:
            rows = value.coalesce()
            index, values = self.carry((rows.indices()[0], rows.values()))
            shape = tuple(value.shape)
            return self.plait._sparse.SparseTensor.of_rows(index, values, shape, coalesced=True)
        return translated(value, self.torch, self.plait)

    def _module(self, value: Any) -> Any:
        """A module by PyTorch's pickle, in which Plait finds its own classes."""
        file = io.BytesIO()
        self.torch.save(value, file)
        file.seek(0)
        return self.plait.load(file, weights_only=False)


def message(fault: BaseException) -> str:
    """An exception as one line."""
    lines = str(fault).splitlines()
    return f"{type(fault).__name__}: {lines[0][:120] if lines else ''}"


def apart(a: Any, b: Any, tolerance: float) -> str | None:
    """What is unlike in two arrays, None if nothing is."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return f"shape {list(a.shape)} for {list(b.shape)}"
    if a.dtype != b.dtype:
        return f"dtype {a.dtype} for {b.dtype}"
    if a.dtype.kind not in "fc":
        return None if np.array_equal(a, b) else "value"
    return None if np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True) else "value"


# -- children -------------------------------------------------------------------------------------


def work(judge: Callable[[str], dict[str, Any]], names: list[str]) -> None:
    """Judge entries one by one; a line of JSON for each."""
    warnings.simplefilter("ignore")

    def late(*_: Any) -> None:
        raise TimeoutError(f"more than {LIMIT} s of computing, or {CLOCK_LIMIT} s on the clock")

    signal.signal(signal.SIGPROF, late)
    signal.signal(signal.SIGALRM, late)
    for name in names:
        print(json.dumps({"begin": name}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        signal.alarm(CLOCK_LIMIT)
        try:
            verdict = judge(name)
        except Exception as fault:
            verdict = {"wrong": message(fault)}
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps({"name": name, **verdict}), flush=True)


def judge_all(module: str, names: list[str], workers: int = 2) -> list[dict[str, Any]]:
    """The verdicts of `python -m module --work`, which judges the names on its standard input."""
    verdicts: list[dict[str, Any]] = []
    shares = [names[i::workers] for i in range(workers)]
    running = [(share, _start(module)) for share in shares if share]
    for share, process in running:
        left = list(share)
        while left:
            out, _ = process.communicate("\n".join(left))
            begun = None
            for line in out.splitlines():
                entry = json.loads(line)
                begun = entry.get("begin")
                if begun is None:
                    verdicts.append(entry)
                    left.remove(entry["name"])
            if left:
                crashed = begun or left[0]
                text = f"crash: the process ended with {process.returncode}"
                verdicts.append({"name": crashed, "wrong": text})
                left.remove(crashed)
                process = _start(module)
    return sorted(verdicts, key=lambda entry: entry["name"])


def _start(module: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", module, "--work"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main(module: str, known: list[str], judge: Callable[[str], dict[str, Any]]) -> None:
    """The command line of a judge: entries by name, or all; prints what is wrong and the share."""
    if "--work" in sys.argv:
        work(judge, [name for name in sys.stdin.read().split("\n") if name])
        return
    asked = [name for name in sys.argv[1:] if name in known] or known
    verdicts = judge_all(module, asked)
    for verdict in verdicts:
        if verdict["wrong"] is not None:
            print(f"{verdict['name']:40} {verdict['wrong']}")
    right = sum(verdict["wrong"] is None for verdict in verdicts)
    print(f"right: {right} of {len(verdicts)} ({100 * right / max(len(verdicts), 1):.1f} %)")
