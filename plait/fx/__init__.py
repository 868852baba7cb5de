"""`torch.fx`: the marks that libraries leave at import, and types that no value has.

Graphs are recorded without it; making one of its objects raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built, unbuilt
from plait.nn.modules.module import Module

__all__ = [
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "Proxy",
    "Tracer",
    "Transformer",
    "wrap",
]


def wrap(fn_or_name: Any) -> Any:
    """The argument itself: calls need no mark here."""
    return fn_or_name


class Graph:
    """Calls of a module, in order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.Graph")


class Node:
    """One call of a graph."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.Node")


class Proxy:
    """What stands for a value while a module is traced."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.Proxy")


class Tracer:
    """What makes a graph of a module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.Tracer")


class GraphModule(Module):
    """A module that runs a graph."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.GraphModule")


class Interpreter:
    """What runs a graph, node by node."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.Interpreter")


class Transformer(Interpreter):
    """What makes another graph of one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.fx.Transformer")


__getattr__ = unbuilt("torch.fx", ("symbolic_trace",))
