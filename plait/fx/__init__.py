"""`torch.fx`: only the marks that libraries leave at import; graphs are recorded without it."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import unbuilt

__all__ = ["wrap"]


def wrap(fn_or_name: Any) -> Any:
    """The argument itself: calls need no mark here."""
    return fn_or_name


__getattr__ = unbuilt(
    "torch.fx",
    (
        "Graph",
        "GraphModule",
        "Interpreter",
        "Node",
        "Proxy",
        "Tracer",
        "Transformer",
        "symbolic_trace",
    ),
)
