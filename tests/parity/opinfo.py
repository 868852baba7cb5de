"""PyTorch's own database of operators as a judge: `python -m tests.parity.opinfo`.

Each public operator's float32 samples are called in PyTorch and here, found by its name and called
alike. Compared are dtype, shape and value of all results, and the gradients of a fixed weighted sum
of them. Operators run in child processes, so that a crash or a hang is a finding, not the end.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import signal
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

#: Of PyTorch's samples of one operator, so many are tried.
SAMPLES = 40
#: What PyTorch's own wrappers of random operators seed with.
SEED = 42
#: Seconds that one operator may take.
LIMIT = 60
#: float32 results of other kernels: sums are added in another order.
RTOL, ATOL = 1e-4, 1e-4


def public_ops() -> list[Any]:
    """PyTorch's operators of float32, but for private names and those of other executors."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    return [
        op
        for op in op_db
        if torch.float32 in op.supported_dtypes("cpu")
        and not op.name.startswith(("_", "torch.ops", "jiterator", "ops."))
        and "aten" not in op.name
    ]


def label(op: Any) -> str:
    """The operator's name with that of its variant."""
    return f"{op.name}:{op.variant_test_name}" if op.variant_test_name else op.name


class Missing(Exception):
    """No function of that name."""


def resolve(op: Any, root: Any) -> Any:
    """What an operator calls, in another library than PyTorch. Raises Missing.

    Where the database calls a function of its own (`lambda x: x.bool()`), it is that function with
    the library in PyTorch's place; else the function or method of the operator's name.
    """
    function = op.op
    if isinstance(function, types.FunctionType) and "testing" in function.__module__:
        names = {**function.__globals__, "torch": root}
        return types.FunctionType(
            function.__code__, names, None, function.__defaults__, function.__closure__
        )
    found = root
    try:
        for part in op.name.split("."):
            found = getattr(found, part)
    except (AttributeError, NotImplementedError, ImportError):
        found = None
    if not callable(found) and "." not in op.name:  # cdouble names a dtype too
        found = getattr(root.Tensor, op.name, None)
    if not callable(found):
        raise Missing(op.name)
    return found


def translated(value: Any, torch: Any, plait: Any) -> Any:
    """PyTorch's value as Plait's: tensors with their data, strides aside, and their gradients."""
    if isinstance(value, torch.Tensor):
        data = value.detach().resolve_conj().resolve_neg()
        unlike = data.is_sparse or data.device.type != "cpu"
        if data.dtype in (torch.bfloat16, torch.float16) or unlike:
            raise NotImplementedError("a sample of this kind")
        if _is_part(data):
            # A part of a larger memory, which `as_strided` may look at.
            whole = torch.as_strided(
                data, (data.untyped_storage().nbytes() // data.itemsize,), (1,), 0
            )
            made = plait.tensor(np.array(whole.numpy()))
            made = made.as_strided(tuple(data.shape), data.stride(), data.storage_offset())
            return made.detach().requires_grad_(value.requires_grad)
        made = plait.tensor(np.array(data.numpy()))
        if not data.is_contiguous() and data.ndim > 1:
            # As not contiguous as the sample: a transposed view of a transposed copy.
            made = made.transpose(0, -1).contiguous().transpose(0, -1)
        return made.requires_grad_() if value.requires_grad else made
    if isinstance(value, torch.dtype):
        return getattr(plait, str(value).removeprefix("torch."))
    if isinstance(value, (torch.device, torch.layout, torch.memory_format)):
        return getattr(plait, str(value).removeprefix("torch."), str(value))
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, torch.nn.Module) or "torch" in (getattr(value, "__module__", None) or ""):
        raise NotImplementedError("a function of PyTorch as an argument")
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(translated(v, torch, plait) for v in value)
    if isinstance(value, (list, tuple)):
        return type(value)(translated(v, torch, plait) for v in value)
    if isinstance(value, dict):
        return {k: translated(v, torch, plait) for k, v in value.items()}
    return value


def _is_part(data: Any) -> bool:
    """Whether a tensor's memory has elements that the tensor has not."""
    held = data.untyped_storage().nbytes() // data.itemsize
    return data.ndim > 0 and held > data.numel() > 0 and data.storage_offset() > 0


def leaves(value: Any) -> Iterator[Any]:
    """Tensors and numbers of a nested result."""
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, dict):
        for key in value:
            yield from leaves(value[key])
    elif value is not None:
        yield value


def array(value: Any) -> np.ndarray:
    """A result as an array."""
    if hasattr(value, "detach"):
        value = value.detach()
        if str(value.layout) != "torch.strided":
            value = value.to_dense()  # of sparse results the elements are compared
        if type(value).__module__.startswith("torch"):
            value = value.resolve_conj().resolve_neg()
        if str(value.dtype) == "torch.bfloat16":  # which NumPy has not
            value = value.float()
        return np.asarray(value.numpy())
    return np.asarray(value)


def _is_uninitialised(op: Any) -> bool:
    """Whether an operator's results have no values yet."""
    return op.name.removeprefix("new_").startswith("empty")


def difference(found: Any, expected: Any, valued: bool = True) -> str | None:
    """What is unlike in two results. valued: whether their values count."""
    ours, theirs = list(leaves(found)), list(leaves(expected))
    if len(ours) != len(theirs):
        return f"{len(ours)} results for {len(theirs)}"
    for a, b in zip(ours, theirs):
        if hasattr(b, "dtype") and str(getattr(a, "dtype", None)) != str(b.dtype):
            return f"dtype {getattr(a, 'dtype', type(a).__name__)} for {b.dtype}"
        x, y = array(a), array(b)
        if x.shape != y.shape:
            return f"shape {list(x.shape)} for {list(y.shape)}"
        if not valued:
            continue
        if x.dtype.kind not in "fc":
            if not np.array_equal(x, y):
                return "value"
        elif not np.allclose(x, y, rtol=RTOL, atol=ATOL, equal_nan=True):
            return "value"
    return None


def weighted(results: Any, root: Any) -> Any:
    """A fixed weighted sum of what can be differentiated of a result; None if nothing can."""
    total = None
    for number, part in enumerate(leaves(results)):
        if not isinstance(part, root.Tensor) or not part.requires_grad:
            continue
        if str(part.layout) != "torch.strided":
            part = part.to_dense()
        count = part.numel()
        weights = np.cos(np.arange(count) * 0.7 + number).astype(np.float32)
        if part.dtype.is_complex:
            part = root.view_as_real(part.resolve_conj() if root.__name__ == "torch" else part)
            weights = np.stack([weights, weights[::-1]], -1)
        term = (part * root.tensor(weights.copy()).reshape(part.shape).to(part.dtype)).sum()
        total = term if total is None else total + term
    return total


def gradients(results: Any, inputs: list[Any], root: Any) -> Any:
    """The gradients of the weighted sum; None where there are none."""
    total = weighted(results, root)
    if total is None or not inputs:
        return None
    found = root.autograd.grad(total, inputs, allow_unused=True)
    return [None if g is None else array(g) for g in found]


def in_float64(value: Any, torch: Any) -> Any:
    """A sample's arguments with float32 tensors widened."""
    if isinstance(value, torch.Tensor):
        if value.dtype is not torch.float32:
            return value
        return value.detach().double().requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(in_float64(v, torch) for v in value)
    if isinstance(value, dict):
        return {k: in_float64(v, torch) for k, v in value.items()}
    return value


def exact(op: Any, sample: Any, torch: Any, differentiate: bool) -> Any:
    """PyTorch's results (gradients) of a sample in float64; None where it has none."""
    try:
        wide = in_float64([sample.input, sample.args, sample.kwargs], torch)
        torch.manual_seed(SEED)
        found = op.op(wide[0], *wide[1], **wide[2])
        return gradients(found, inputs_of(*wide), torch) if differentiate else found
    except Exception:
        return None


def no_worse(found: Any, expected: Any, truth: Any) -> bool:
    """Whether float32 results are as near to float64 ones as PyTorch's own float32 results are.

    Where a computation is ill-conditioned two right float32 results differ by much; PyTorch's own
    must be good to a hundredth, else nothing is learnt.
    """
    parts = [[array(part) for part in leaves(x)] for x in (found, expected, truth)]
    if not parts[2] or len({len(x) for x in parts}) != 1:
        return False
    for ours, theirs, true in zip(*parts):
        if ours.shape != true.shape or ours.dtype != theirs.dtype or theirs.shape != true.shape:
            return False
        if not true.size:
            continue
        error = np.abs(theirs - true).max()
        if not (error <= 0.01 * np.abs(true).max() and np.abs(ours - true).max() <= error):
            return False
    return True


def inputs_of(*values: Any) -> list[Any]:
    """The tensors among a call's arguments that require a gradient."""
    return [v for v in leaves(list(values)) if getattr(v, "requires_grad", False)]


def judge(op: Any) -> dict[str, Any]:
    """Values and gradients of one operator: "ok", or what is wrong with the first bad sample."""
    import torch

    import plait

    verdict: dict[str, Any] = {"op": label(op), "value": "ok", "gradient": None}
    try:
        function = resolve(op, plait)
    except Missing:
        return {**verdict, "value": "missing", "gradient": "missing" if _autograd(op) else None}
    tracked = _autograd(op)
    if tracked:
        verdict["gradient"] = "ok"
    for number, sample in enumerate(op.sample_inputs("cpu", torch.float32, requires_grad=tracked)):
        if number >= SAMPLES:
            break
        try:
            torch.manual_seed(SEED)
            expected = op.op(sample.input, *sample.args, **sample.kwargs)
        except Exception:  # a sample that PyTorch does not take here
            continue
        given = inputs_of(sample.input, sample.args, sample.kwargs)
        try:
            ours = translated((sample.input, sample.args, sample.kwargs), torch, plait)
        except NotImplementedError:
            continue
        plait.manual_seed(SEED)
        try:
            found = function(ours[0], *ours[1], **ours[2])
            wrong = difference(found, expected, valued=not _is_uninitialised(op))
            if wrong == "value" and no_worse(found, expected, exact(op, sample, torch, False)):
                wrong = None
        except Exception as fault:
            wrong = f"{type(fault).__name__}: {str(fault).splitlines()[0][:120]}"
        if wrong is not None:
            verdict["value"] = f"sample {number}: {wrong}"
            if tracked:
                verdict["gradient"] = "value"
            return verdict
        if not tracked or verdict["gradient"] != "ok":
            continue
        try:
            theirs = gradients(expected, given, torch)
        except RuntimeError:
            continue
        try:
            mine = gradients(found, inputs_of(*ours), plait)
            wrong = None if theirs is None else _gradients_differ(mine, theirs)
            if wrong == "gradient" and no_worse(mine, theirs, exact(op, sample, torch, True)):
                wrong = None
        except Exception as fault:
            wrong = f"{type(fault).__name__}: {str(fault).splitlines()[0][:120]}"
        if wrong is not None:
            verdict["gradient"] = f"sample {number}: {wrong}"
    return verdict


def _autograd(op: Any) -> bool:
    import torch

    return bool(op.supports_autograd and torch.float32 in op.supported_backward_dtypes("cpu"))


def _gradients_differ(mine: Any, theirs: list[Any]) -> str | None:
    if mine is None:
        return "no gradient"
    for a, b in zip(mine, theirs, strict=True):
        if a is None or b is None:
            # PyTorch gives zeros where it knows no better.
            if a is not b and np.any((a if b is None else b) != 0):
                return "no gradient of one input"
            continue
        if a.shape != b.shape:
            return f"gradient of shape {list(a.shape)} for {list(b.shape)}"
        scale = max(1.0, float(np.nanmax(np.abs(b))) if b.size and np.isfinite(b).any() else 1.0)
        if not np.allclose(a, b, rtol=1e-3, atol=1e-3 * min(scale, 1e3), equal_nan=True):
            return "gradient"
    return None


# -- children ---------------------------------------------------------------------------------


def work(names: list[str]) -> None:
    """Judge operators one by one; a line of JSON for each."""
    warnings.simplefilter("ignore")
    ops = {label(op): op for op in public_ops()}

    def late(*_: Any) -> None:
        raise TimeoutError(f"more than {LIMIT} s")

    signal.signal(signal.SIGALRM, late)
    for name in names:
        print(json.dumps({"begin": name}), flush=True)
        signal.alarm(LIMIT)
        try:
            verdict = judge(ops[name])
        except Exception as fault:
            text = (
                f"{type(fault).__name__}: {str(fault).splitlines()[0][:120] if str(fault) else ''}"
            )
            verdict = {
                "op": name,
                "value": text,
                "gradient": text if _autograd(ops[name]) else None,
            }
        signal.alarm(0)
        print(json.dumps(verdict), flush=True)


def judge_all(names: list[str], workers: int = 2) -> list[dict[str, Any]]:
    """The verdicts on operators, in child processes."""
    waiting = [names[i::workers] for i in range(workers)]
    verdicts: list[dict[str, Any]] = []
    running = [_start(part) for part in waiting if part]
    for index, process in enumerate(running):
        left = list(waiting[index])
        while left:
            out, _ = process.communicate("\n".join(left))
            begun = None
            for line in out.splitlines():
                entry = json.loads(line)
                if "begin" in entry:
                    begun = entry["begin"]
                else:
                    verdicts.append(entry)
                    left.remove(entry["op"])
                    begun = None
            if not left:
                break
            crashed = begun or left[0]
            text = f"crash: the process ended with {process.returncode}"
            verdicts.append({"op": crashed, "value": text, "gradient": text})
            left.remove(crashed)
            process = _start(left)
    return sorted(verdicts, key=lambda entry: entry["op"])


def _start(names: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.parity.opinfo", "--work"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def summary(verdicts: list[dict[str, Any]]) -> dict[str, float]:
    """How many there are and how many are right."""
    differentiable = [v for v in verdicts if v["gradient"] is not None]
    return {
        "ops": len(verdicts),
        "values": sum(v["value"] == "ok" for v in verdicts),
        "differentiable": len(differentiable),
        "gradients": sum(v["gradient"] == "ok" for v in differentiable),
    }


def main() -> None:
    """Judge all operators, or those named; print totals and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*")
    parser.add_argument("--work", action="store_true", help="judge the names on standard input")
    parser.add_argument("--json", help="file for the verdicts")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.work:
        work(sys.stdin.read().split("\n"))
        return
    known = [label(op) for op in public_ops()]
    names = [n for n in known if n in options.ops] if options.ops else known
    verdicts = judge_all(names, options.workers)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(verdicts, file, indent=1)
    kinds: collections.Counter[str] = collections.Counter()
    for v in verdicts:
        for part in ("value", "gradient"):
            if v[part] not in ("ok", None) and not (part == "gradient" and v[part] == "value"):
                print(f"{v['op']:45} {part:8} {v[part]}")
                kinds[f"{part}: {v[part].split(':')[0].split(' ')[0]}"] += 1
    found = summary(verdicts)
    print(dict(kinds))
    for what, of in (("values", "ops"), ("gradients", "differentiable")):
        share = 100 * found[what] / max(found[of], 1)
        print(f"{what} right: {found[what]} of {found[of]} ({math.floor(share * 10) / 10} %)")


if __name__ == "__main__":
    main()
