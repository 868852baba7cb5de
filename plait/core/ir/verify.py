"""The verifier: is a graph well formed, and does every op agree with its recorded types?"""

from __future__ import annotations

from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Graph, freeze


class InvalidGraph(AssertionError):
    """A graph that breaks a rule of the IR: a fault of a pass, never of the user."""


def verify(graph: Graph) -> Graph:
    """Check operand order, types by each op's own rule, hashable attributes, and outputs.

    Returns the graph; raises InvalidGraph naming the instruction.
    """
    first = len(graph.inputs)
    for position, made in enumerate(graph.instructions):
        number = first + position
        where = f"%{number} = {made.op.name}"
        for arg in made.args:
            if not 0 <= arg < number:
                raise InvalidGraph(f"{where}: operand %{arg} is not defined before it")
        operands = [graph.type_of(arg) for arg in made.args]
        shape, dtype = made.op.infer(*operands, **made.attrs)
        if shape != made.shape or dtype != made.dtype:
            raise InvalidGraph(
                f"{where}: recorded as {made.dtype}{list(made.shape)}, its rule says "
                f"{dtype}{list(shape)} for {operands}"
            )
        _verify_type(where, shape, dtype)
        try:
            hash(freeze(made.attrs))
        except TypeError as fault:
            raise InvalidGraph(f"{where}: attributes cannot be hashed: {fault}") from None
        _verify_nested(tuple(made.attrs.values()))
    for output in graph.outputs:
        if not 0 <= output < first + len(graph.instructions):
            raise InvalidGraph(f"output %{output} is not defined")
    return graph


def _verify_nested(values: tuple) -> None:
    """Verify the graphs among attribute values, in tuples too."""
    for value in values:
        if isinstance(value, Graph):
            verify(value)
        elif isinstance(value, tuple):
            _verify_nested(value)


def _verify_type(where: str, shape: object, dtype: object) -> None:
    if isinstance(dtype, tuple) and isinstance(shape, tuple):
        for one_shape, one_dtype in zip(shape, dtype, strict=True):
            _verify_type(where, one_shape, one_dtype)
        return
    if not isinstance(dtype, DType):
        raise InvalidGraph(f"{where}: {dtype!r} is not a dtype")
    if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape):
        raise InvalidGraph(f"{where}: {shape!r} is not a shape of non-negative ints")
