"""Outcomes of cases as entries of a pack, and back: see `compare.outcome` for what they are."""

from __future__ import annotations

import builtins
from typing import Any

from tests.parity.compare import Failure, Held
from tests.parity.pack import Pack

#: Of an exception's message, so much is kept.
_TEXT = 160


def encoded(value: Any, pack: Pack) -> Any:
    """An outcome as JSON has it; arrays go to the pack."""
    if isinstance(value, Held):
        return {"tensor": value.dtype, "held": pack.put(value.array)}
    if isinstance(value, Failure):
        return {"error": _known(value.kind).__name__, "text": value.text[:_TEXT]}
    if isinstance(value, list):
        return [encoded(part, pack) for part in value]
    if isinstance(value, dict):
        return {"dict": [[key, encoded(part, pack)] for key, part in value.items()]}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return value


def decoded(entry: Any, pack: Pack) -> Any:
    """The outcome of an entry."""
    if isinstance(entry, list):
        return [decoded(part, pack) for part in entry]
    if not isinstance(entry, dict):
        return entry
    if "tensor" in entry:
        return Held.of(entry["tensor"], pack.get(entry["held"]))
    if "error" in entry:
        return Failure(getattr(builtins, entry["error"])(entry["text"]))
    if "complex" in entry:
        return complex(*entry["complex"])
    return {key: decoded(part, pack) for key, part in entry["dict"]}


def _known(kind: type[BaseException]) -> type[BaseException]:
    """The nearest class of an exception that Python itself has."""
    return next(cls for cls in kind.__mro__ if cls.__module__ == "builtins")


def helds(value: Any) -> list[Held]:
    """The tensors of an outcome."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [held for part in value for held in helds(part)]
    return [value] if isinstance(value, Held) else []
