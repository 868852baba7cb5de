"""What programs give, in a form that can be kept in a file and compared.

`python -m tests.tf.outcomes` writes `expected.json` from an installed TensorFlow. The tests compare
Plait with the file where TensorFlow is not installed, which is the usual case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("expected.json")

#: Rounding: sums of some tens of float32 products in another order, transcendental functions of
#: other libraries.
RTOL, ATOL = 2e-5, 2e-5


def outcome(program: Callable[[Any], Any], tf: Any) -> Any:
    """What a program gives, or the error that it raises, as JSON has it."""
    try:
        return encoded(program(tf))
    except Exception as fault:
        return {"error": kinds(fault)}


def kinds(fault: Exception) -> list[str]:
    """The names of an error's classes that tell errors apart."""
    names = {cls.__name__.strip("_") for cls in type(fault).__mro__}
    return sorted(names - {"object", "BaseException", "Exception", "OpError"})


def encoded(value: Any) -> Any:
    """Tensors, arrays, numbers and structures of them as JSON has them."""
    if isinstance(value, dict):
        return {"dict": {str(key): encoded(part) for key, part in value.items()}}
    if isinstance(value, (list, tuple)) and not hasattr(value, "dtype"):
        return [encoded(part) for part in value]
    if hasattr(value, "numpy") or isinstance(value, (np.ndarray, np.generic)):
        dtype = value.dtype.name
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        kind = "array" if hasattr(value, "numpy") or isinstance(value, np.ndarray) else "scalar"
        return {kind: dtype, "shape": list(array.shape), "values": [plain(v) for v in array.flat]}
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    return value if isinstance(value, (bool, int, float, str, type(None))) else repr(type(value))


def plain(item: Any) -> Any:
    """An element: floats by nine digits, which tell float32 apart."""
    if isinstance(item, bytes):
        return item.decode("latin-1")
    if isinstance(item, (complex, np.complexfloating)):
        return [plain(item.real), plain(item.imag)]
    if isinstance(item, (np.bool_, bool)):
        return bool(item)
    if isinstance(item, (np.floating, float)) or np.issubdtype(type(item), np.floating):
        return float(f"{float(item):.9g}")
    return int(item) if isinstance(item, (np.integer, int)) else str(item)


def assert_same(a: Any, b: Any) -> None:
    """What Plait gives (a) is what TensorFlow gives (b)."""
    if isinstance(b, dict) and "error" in b:
        assert isinstance(a, dict) and "error" in a, f"{a!r} for {b!r}"
        assert set(a["error"]) & set(b["error"]), f"{a!r} for {b!r}"
    elif isinstance(b, dict) and "values" in b:
        assert isinstance(a, dict) and "values" in a, f"{a!r} for {b!r}"
        assert {k: a.get(k) for k in b if k != "values"} == {
            k: v for k, v in b.items() if k != "values"
        }, f"{a!r} for {b!r}"
        if b["values"] and isinstance(b["values"][0], (float, list)):
            np.testing.assert_allclose(a["values"], b["values"], RTOL, ATOL)
        else:
            assert a["values"] == b["values"]
    elif isinstance(b, dict) and "dict" in b:
        assert isinstance(a, dict) and set(a["dict"]) == set(b["dict"])
        for key in b["dict"]:
            assert_same(a["dict"][key], b["dict"][key])
    elif isinstance(b, list):
        assert isinstance(a, list) and len(a) == len(b), f"{a!r} for {b!r}"
        for x, y in zip(a, b):
            assert_same(x, y)
    elif isinstance(b, float):
        assert abs(a - b) <= ATOL + RTOL * abs(b)
    else:
        assert a == b and type(a) is type(b)


def every() -> dict[str, tuple[str, Callable[[Any], Any]]]:
    """(module, program) by name."""
    from tests.tf import (
        autograph_limits,
        autograph_programs,
        cases,
        gradient_cases,
        old_details,
        old_monitored,
        old_programs,
        old_queues,
        programs,
        ragged_programs,
        sparse_programs,
        text_cases,
        window_cases,
    )

    both = cases.CASES | text_cases.CASES | window_cases.CASES | gradient_cases.CASES
    found = {f"case {name}": ("tensorflow", f) for name, f in both.items()}
    found |= {f"program {name}": ("tensorflow", f) for name, f in programs.PROGRAMS.items()}
    for module in (autograph_programs, autograph_limits):
        found |= {f"autograph {n}": ("tensorflow", f) for n, f in module.PROGRAMS.items()}
    found |= {f"sparse {n}": ("tensorflow", f) for n, f in sparse_programs.PROGRAMS.items()}
    found |= {f"ragged {n}": ("tensorflow", f) for n, f in ragged_programs.PROGRAMS.items()}
    for module in (old_programs, old_details, old_monitored, old_queues):
        found |= {f"old {n}": ("tensorflow.compat.v1", f) for n, f in module.PROGRAMS.items()}
    return found


def main() -> None:
    """Write what TensorFlow gives."""
    import importlib

    made = {
        name: outcome(program, importlib.import_module(module))
        for name, (module, program) in every().items()
    }
    lines = [f"{json.dumps(name)}: {json.dumps(result)}" for name, result in made.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
