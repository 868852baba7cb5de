"""Making the entries of `opinfo_samples` from the installed PyTorch."""

from __future__ import annotations

import warnings
import zlib
from typing import Any

import numpy as np

from tests.parity import outcomes
from tests.parity.compare import agree
from tests.parity.opinfo import label, public_ops
from tests.parity.opinfo_samples import FORMS, found, function_of
from tests.parity.outcomes import helds
from tests.parity.pack import Pack

#: Of an operator's samples, so many are kept, of those with no more elements in all arrays.
SAMPLES, ELEMENTS = 4, 400
#: So many are looked at.
LOOKED_AT = 60


class Unstorable(Exception):
    """An argument that is not kept as data: a function, a generator, a strange tensor."""


def encoded(value: Any, pack: Pack, torch: Any) -> Any:
    """An argument of PyTorch as JSON has it. Raises Unstorable."""
    if isinstance(value, torch.Tensor):
        return _encoded_tensor(value, pack, torch)
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return {"name": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, (tuple, torch.Size)):
        return {"tuple": [encoded(part, pack, torch) for part in value]}
    if isinstance(value, list):
        return [encoded(part, pack, torch) for part in value]
    if isinstance(value, dict):
        return {"dict": {key: encoded(part, pack, torch) for key, part in value.items()}}
    if isinstance(value, slice):
        return {"slice": [encoded(p, pack, torch) for p in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"name": "..."}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    raise Unstorable(type(value).__name__)


def _encoded_tensor(value: Any, pack: Pack, torch: Any) -> Any:
    strange = value.is_sparse or value.device.type != "cpu" or value.is_conj() or value.is_neg()
    if strange or value.dtype is torch.bfloat16 or type(value) is not torch.Tensor:
        raise Unstorable(f"{value.layout} {value.dtype}")
    return {
        "tensor": pack.put(value.detach().numpy()),
        "grad": bool(value.requires_grad),
        # As the transposed of a transposed copy.
        "turned": value.ndim > 1 and not value.is_contiguous(),
    }


def recorded() -> Pack:
    """The entries of all public operators."""
    import torch

    warnings.simplefilter("ignore")
    pack = Pack()
    for op in public_ops():
        if function_of(op.name, torch) is None:
            continue
        for number, (entry, own) in enumerate(_spread(_calls(op, torch))):
            pack.entries[f"{label(op)} {number}"] = pack.take(entry, own)
    return pack


def _calls(op: Any, torch: Any) -> list[tuple[dict[str, Any], Pack]]:
    """Calls of an operator: all kinds of arguments, and a few more."""
    # Its generators of samples draw from PyTorch's.
    torch.manual_seed(zlib.crc32(label(op).encode()))
    chosen: list[tuple[dict[str, Any], Pack]] = []
    seen: set[str] = set()
    samples = op.sample_inputs("cpu", torch.float32, requires_grad=op.supports_autograd)
    for number, sample in enumerate(samples):
        if number == LOOKED_AT:
            break
        kind = _kind(sample)
        if kind in seen and len(chosen) >= SAMPLES:
            continue
        own = Pack()
        entry = _entry(op, sample, own, torch)
        if entry is not None:
            seen.add(kind)
            chosen.append((entry, own))
    return chosen


def _kind(sample: Any) -> str:
    """What tells kinds of calls of an operator apart: its arguments' names and types."""
    kinds = [type(arg).__name__ for arg in sample.args]
    return f"{kinds} {sorted(sample.kwargs)} {getattr(sample.input, 'ndim', None)}"


def _spread(chosen: list[Any]) -> list[Any]:
    """At most SAMPLES of the entries, from first to last."""
    if len(chosen) <= SAMPLES:
        return chosen
    places = {round(n * (len(chosen) - 1) / (SAMPLES - 1)) for n in range(SAMPLES)}
    return [chosen[place] for place in sorted(places)]


def _entry(op: Any, sample: Any, pack: Pack, torch: Any) -> dict[str, Any] | None:
    """A call with what it gives; None where it cannot be kept, or PyTorch refuses it."""
    try:
        given = encoded([sample.input, tuple(sample.args), dict(sample.kwargs)], pack, torch)
        entry: dict[str, Any] = {"name": op.name, "given": given}
        values, slopes = found(entry, "function", pack, torch)
    except (Unstorable, RuntimeError, TypeError, ValueError, IndexError, AssertionError):
        return None
    results = helds(values)
    if pack.elements() > ELEMENTS or sum(held.array.size for held in results) > ELEMENTS:
        return None
    entry["forms"] = ["function"]
    if op.name.removeprefix("new_").startswith("empty"):
        entry["uninitialised"] = True
        for held in results:
            held.array = np.zeros_like(held.array)
    else:
        entry["forms"] += [form for form in FORMS[1:] if _gives(entry, form, values, pack, torch)]
    entry["values"] = outcomes.encoded(values, pack)
    if slopes is not None:
        entry["gradients"] = [None if slope is None else pack.put(slope) for slope in slopes]
    return entry


def _gives(entry: dict[str, Any], form: str, values: Any, pack: Pack, torch: Any) -> bool:
    """Whether PyTorch has a call in that form, and it gives the same."""
    try:
        return agree(found(entry, form, pack, torch)[0], values)
    except Exception:  # not in this form, or not for these arguments
        return False
