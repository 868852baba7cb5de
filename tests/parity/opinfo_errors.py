"""PyTorch's own erroneous calls as a judge: the same kinds of exceptions are raised here.

`python -m tests.parity.opinfo_errors` prints the calls that end otherwise.
"""

from __future__ import annotations

import argparse
import collections
import json
import warnings
from typing import Any

from tests.parity.opinfo import Missing, array, label, leaves, public_ops, resolve, translated


def calls(op: Any) -> list[Any]:
    """The erroneous calls of an operator that PyTorch refuses here."""
    if op.error_inputs_func is None:
        return []
    kept = []
    for case in op.error_inputs("cpu"):
        sample = case.sample_input
        try:
            op.op(sample.input, *sample.args, **sample.kwargs)
        except Exception:
            kept.append(case)
    return kept


def outcome(function: Any, given: Any, wanted: type[BaseException]) -> str:
    """ "ok" where the call, or the value it gives, raises what is wanted; else what happens."""
    try:
        for part in leaves(function(given[0], *given[1], **given[2])):
            array(part)
    except wanted:
        return "ok"
    except Exception as fault:
        return f"{type(fault).__name__} for {wanted.__name__}: {str(fault)[:90]!r}"
    return f"no error for {wanted.__name__}"


def carried(given: Any, torch: Any, plait: Any) -> Any:
    """A call's arguments as Plait's; tensors of one memory are so here, too."""
    tensors = [part for part in leaves(given) if isinstance(part, torch.Tensor)]
    memories = collections.Counter(_memory(part) for part in tensors)
    wholes: dict[Any, Any] = {}

    def carry(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            return type(value)(map(carry, value))
        if isinstance(value, dict):
            return {key: carry(part) for key, part in value.items()}
        if not isinstance(value, torch.Tensor) or value.requires_grad:
            return translated(value, torch, plait)
        gaps = any(step == 0 and extent > 1 for step, extent in zip(value.stride(), value.shape))
        if not gaps and memories[_memory(value)] < 2:
            return translated(value, torch, plait)
        if _memory(value) not in wholes:
            held = value.untyped_storage().nbytes() // value.itemsize
            flat = torch.as_strided(value, (held,), (1,), 0)
            wholes[_memory(value)] = translated(flat, torch, plait)
        whole = wholes[_memory(value)]
        return whole.as_strided(tuple(value.shape), value.stride(), value.storage_offset())

    return carry(given)


def _memory(tensor: Any) -> Any:
    return tensor.untyped_storage().data_ptr(), tensor.dtype


def judge(op: Any) -> list[tuple[str, str]]:
    """(operator, outcome) of each of its erroneous calls that can be made here."""
    import torch

    import plait

    try:
        function = resolve(op, plait)
    except Missing:
        return []
    found = []
    for case in calls(op):
        sample = case.sample_input
        try:
            given = carried((sample.input, sample.args, sample.kwargs), torch, plait)
        except Exception:  # of another device, or with more axes than NumPy has
            continue
        found.append((label(op), outcome(function, given, case.error_type)))
    return found


def judge_all(names: list[str]) -> list[tuple[str, str]]:
    """The outcomes of all operators, or of those named."""
    warnings.simplefilter("ignore")
    chosen = [op for op in public_ops() if not names or label(op) in names]
    return [entry for op in chosen for entry in judge(op)]


def main() -> None:
    """Judge all operators, or those named; print what is unlike, and how many are alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*")
    parser.add_argument("--json", help="file for the outcomes")
    options = parser.parse_args()
    found = judge_all(options.ops)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)
    counts = collections.Counter(result == "ok" for _, result in found)
    for name, result in found:
        if result != "ok":
            print(f"{name:35} {result}")
    print(f"{counts[True]} of {len(found)} raise PyTorch's kind of exception")


if __name__ == "__main__":
    main()
