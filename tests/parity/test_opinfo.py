"""Every public operator of PyTorch's database, on file: values, gradients, forms of calls.

Where PyTorch is installed, `test_opinfo_torch` asks the database itself.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

import plait
from tests.parity.compare import Held, expectations
from tests.parity.opinfo_samples import found
from tests.parity.outcomes import decoded

PACK = expectations.pack("opinfo")
NAMES = sorted({label.rpartition(" ")[0] for label in PACK.entries})

#: float64 on both sides: special functions of other libraries, sums in another order, and systems
#: of equations whose condition is a hundred or so.
VALUES, GRADIENTS = 1e-9, 1e-7

_FREE_SIGNS = "signs of eigenvectors are free"
_OWN_MASKS = "masks of dropout are drawn by a counter: docs/design/003-random-numbers.md"

#: What is known to differ, and why.
KNOWN: dict[str, str] = {
    "as_strided_scatter": "PyTorch's gradient is that of the places that are not kept",
    "linalg.eigh": _FREE_SIGNS,
    "linalg.pinv:hermitian": "the matrices of these calls are not hermitian: no gradient is right",
    "masked.argmax": "PyTorch's own answer for rows with a nan depends on the run",
    "nn.functional.alpha_dropout": _OWN_MASKS,
    "nn.functional.dropout": _OWN_MASKS,
    "nn.functional.dropout2d": _OWN_MASKS,
    "nn.functional.dropout3d": _OWN_MASKS,
    "nn.functional.feature_alpha_dropout:with_train": _OWN_MASKS,
    "nn.functional.multi_head_attention_forward": _OWN_MASKS,
    "nn.functional.rrelu": _OWN_MASKS,
    "nn.functional.scaled_dot_product_attention": _OWN_MASKS,
}

#: Forms of calls that PyTorch has and Plait has not, and why.
OTHER_FORMS = {
    ("addbmm", "in place"): "PyTorch lets it change the tensor's shape, which no other one may",
    ("as_strided", "in place"): "`as_strided_` turns a tensor into a view of itself: not built",
    ("as_strided:partial_views", "in place"): "the same",
}

#: Where PyTorch's own error is larger: its Bessel functions are good to float32 only.
LOOSE = {
    "special.airy_ai": 1e-5,
    "special.bessel_j0": 1e-5,
    "special.bessel_j1": 1e-5,
    "special.bessel_y0": 1e-5,
    "special.bessel_y1": 1e-5,
    "special.modified_bessel_i0": 1e-5,
    "special.modified_bessel_i1": 1e-5,
    "special.modified_bessel_k0": 1e-5,
    "special.modified_bessel_k1": 1e-5,
    "special.scaled_modified_bessel_k0": 1e-5,
    "special.scaled_modified_bessel_k1": 1e-5,
    "special.spherical_bessel_j0": 1e-5,
}
#: What PyTorch gives in float32 is compared by this.
SINGLE = 1e-6

#: Native executors take one operator in so many.
SLICE = 16


def entries(name: str) -> list[tuple[str, dict[str, Any]]]:
    """The calls of an operator."""
    return [(f"{name} {n}", PACK.entries[f"{name} {n}"]) for n in range(_count(name))]


def _count(name: str) -> int:
    return next(n for n in range(100) if f"{name} {n}" not in PACK.entries)


def apart(ours: Any, theirs: Any, tolerance: float) -> str | None:
    """What is unlike in two results; None if nothing is."""
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            return f"{ours!r} for {theirs!r}"
        return next((d for d in map(apart, ours, theirs, [tolerance] * len(ours)) if d), None)
    if isinstance(theirs, Held):
        if not isinstance(ours, Held) or (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"{ours!r} for {theirs!r}"
        if theirs.dtype in ("torch.float32", "torch.complex64"):
            tolerance = max(tolerance, SINGLE)
        ours, theirs = ours.array, theirs.array
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape:
        return f"shape {a.shape} for {b.shape}"
    finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind in "fc" else b
    scale = max(1.0, float(np.max(finite, initial=0))) if b.dtype.kind in "fc" else 1.0
    if not np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        return f"{a.reshape(-1)[:6]} for {b.reshape(-1)[:6]}"
    return None


def differences(name: str) -> list[str]:
    """What is unlike in an operator's calls."""
    wrong = []
    for label, entry in entries(name):
        wanted = decoded(entry["values"], PACK)
        for form in entry["forms"]:
            if (name, form) in OTHER_FORMS:
                continue
            try:
                values, slopes = found(entry, form, PACK, plait)
            except Exception as fault:
                wrong.append(f"{label} {form}: {type(fault).__name__} {str(fault)[:200]}")
                continue
            difference = apart(values, wanted, LOOSE.get(name, VALUES))
            if difference:
                wrong.append(f"{label} {form}: {difference}")
            elif form == "function" and "gradients" in entry:
                wrong += _slopes_apart(label, entry["gradients"], slopes)
    return wrong


def _slopes_apart(label: str, entry: list[Any], ours: list[Any] | None) -> list[str]:
    theirs = [None if one is None else PACK.get(one) for one in entry]
    if ours is None:
        return [f"{label}: no gradient"]
    wrong = []
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a is None or b is None:
            # PyTorch gives zeros where it knows no better.
            if a is not b and np.any((a if b is None else b) != 0):
                wrong.append(f"{label} gradient {number}: {a} for {b}")
            continue
        difference = apart(a, b, GRADIENTS)
        if difference:
            wrong.append(f"{label} gradient {number}: {difference}")
    return wrong


@pytest.mark.once
@pytest.mark.parametrize("name", NAMES)
def test_as_on_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    wrong = differences(name)
    if name in KNOWN:
        assert wrong, f"{name} is right by now: take it off the list of differences"
        return
    assert not wrong, "\n".join(wrong)


@pytest.mark.once
@pytest.mark.parametrize("name", [n for n in NAMES if zlib.crc32(n.encode()) % SLICE == 0])
def test_as_on_file_natively(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    if name not in KNOWN:
        assert not differences(name)
