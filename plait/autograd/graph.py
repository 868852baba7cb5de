"""The recorded graph from outside: its node type, and contexts about saved tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from plait._unbuilt import not_built, unbuilt
from plait.core.ir.errors import error
from plait.core.lazy.grad import AccumulateGrad, GradNode

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "save_on_cpu",
    "saved_tensors_hooks",
]

Node = GradNode


class GradientEdge(NamedTuple):
    """Where a tensor's gradient goes: a node of the graph and the number of its output."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor. Raises RuntimeError for one that requires no gradient."""
    edge = tensor.edge()
    if edge is None:
        raise error(
            RuntimeError,
            "It is not possible to get the gradient edge for a Tensor that does not "
            "require gradients",
        )
    node = edge[0] if isinstance(edge[0], GradNode) else AccumulateGrad(edge[0])
    return GradientEdge(node, edge[1])


class saved_tensors_hooks:
    """Hooks on what backward saves; not built."""

    def __init__(self, pack_hook: Any, unpack_hook: Any) -> None:
        raise not_built("torch.autograd.graph.saved_tensors_hooks")


class save_on_cpu:
    """Everything is on the CPU already: nothing to do."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        pass

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """There are no such hooks: nothing to do."""
    yield


__getattr__ = unbuilt(
    "torch.autograd.graph", ("allow_mutation_on_saved_tensors", "register_multi_grad_hook")
)
