"""Capture: interning, keys, boundaries; the text form; the verifier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records
from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError
from plait.core.ir.graph import Graph, Instruction, capture, freeze, trace
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import ITEM, LEAF, Lowering, Op, leaf, op_by_name
from plait.core.ir.text import ParseError, from_text, to_text
from plait.core.ir.verify import InvalidGraph, verify
from plait.core.ops.elementwise import ADD, MUL, SUB
from plait.core.ops.norm import BATCH_NORM
from plait.core.ops.source import FULL, full
from plait.core.reference.executor import run

F32 = dtypes.float32
PAIR = Spec((2, 3), F32)


def placeholder(*shape: int, dtype: Any = F32) -> Node:
    return Node(LEAF, (), {"shape": shape, "dtype": dtype})


#: An op that takes any attribute, so that the text form is tried on all kinds of them. The record
#: tests leave out names that begin with `test_`.
ANYTHING = Op(
    "test_anything",
    infer=lambda x, **attrs: (x.shape, x.dtype),
    lowering=Lowering.OPAQUE,
    reference=lambda x, **attrs: x,
)


# -- capture ----------------------------------------------------------------------------------


def test_equal_expressions_are_merged() -> None:
    graph = trace(lambda a, b: ADD(MUL(a, b), MUL(a, b)), [PAIR, PAIR])
    assert [made.op.name for made in graph.instructions] == ["mul", "add"]
    assert graph.instructions[1].args == (2, 2)


def test_operand_order_counts() -> None:
    graph = trace(lambda a, b: (SUB(a, b), SUB(b, a)), [PAIR, PAIR])
    assert len(graph.instructions) == 2


def test_what_no_output_needs_is_left_out() -> None:
    def function(a: Node, b: Node) -> Node:
        MUL(a, b)
        return ADD(a, b)

    assert len(trace(function, [PAIR, PAIR]).instructions) == 1


def test_computed_nodes_are_inputs() -> None:
    x = leaf(np.ones((2, 3), np.float32), (2, 3), F32)
    y = ADD(x, x)
    z = MUL(y, y)
    y.set_value(np.full((2, 3), 2, np.float32))
    assert y.inputs == ()
    captured = capture([z])
    assert captured.leaves == [y]
    assert run(captured.graph, [y.value])[0].tolist() == [[4.0] * 3] * 2


def test_an_output_may_be_an_input_and_come_twice() -> None:
    graph = trace(lambda a: (a, ADD(a, a), a), [PAIR])
    assert graph.outputs == (0, 1, 0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (math.nan, math.nan, True),
        (math.nan, float("-nan"), True),
        (0.0, -0.0, False),
        (True, 1, False),
        (False, 0.0, False),
        (1, 1.0, False),
        (1.0, 1 + 0j, False),
        (complex(0.0, -0.0), complex(0.0, 0.0), False),
        ((1, (True,)), (1, (1,)), False),
        ((0.5, None), (0.5, None), True),
        ("1", 1, False),
    ],
)
def test_attributes_are_told_apart(one: Any, other: Any, same: bool) -> None:
    assert (freeze({"value": one}) == freeze({"value": other})) is same
    merged = trace(lambda x: (ANYTHING(x, value=one), ANYTHING(x, value=other)), [PAIR])
    assert (len(merged.instructions) == 1) is same


def test_keys_tell_types_and_structure_apart() -> None:
    add = trace(ADD, [PAIR, PAIR])
    assert add == trace(lambda a, b: ADD(a, b), [PAIR, PAIR])
    assert hash(add) == hash(trace(ADD, [PAIR, PAIR]))
    assert add != trace(MUL, [PAIR, PAIR])
    assert add != trace(lambda a, b: ADD(b, a), [PAIR, PAIR])
    assert add != trace(ADD, [Spec((3, 2), F32)] * 2)
    assert add != trace(ADD, [Spec((2, 3), dtypes.float64)] * 2)
    assert add != trace(lambda a, b: (ADD(a, b), a), [PAIR, PAIR])


def test_full_of_nan_is_one_constant() -> None:
    graph = trace(lambda a: ADD(ADD(a, full(math.nan, (2, 3), F32)), full(math.nan, (2, 3), F32)),
                  [PAIR])  # fmt: skip
    assert [made.op for made in graph.instructions].count(FULL) == 1


def test_replay_applies_the_graph_to_other_values() -> None:
    graph = trace(lambda x: BATCH_NORM(x, eps=1e-5), [Spec((4, 2), F32)])
    assert any(made.op is ITEM for made in graph.instructions)
    again = trace(lambda x: graph.replay(x), [Spec((4, 2), F32)])
    assert again == graph


def test_a_shape_error_names_op_and_shapes() -> None:
    with pytest.raises(ShapeError, match=r"add: .*\[2, 3\], \[3, 2\]"):
        ADD(placeholder(2, 3), placeholder(3, 2))


# -- text -------------------------------------------------------------------------------------

VALUES = (
    0, -7, 2**63, 1.5, -0.0, 1e300, 1e-300, 5e-324, 1e16, 123456789.125, math.inf, -math.inf,
    True, False, None, 1 + 2j, -1.5 - 2.25j, 3j, complex(-0.0, 1.0), complex(0.0, -0.0),
    complex(math.inf, math.nan), "", "plain", "quote's", 'double "quotes"', "back\\slash",
    "new\nline\ttab", "naïve → 日本", "braces {}(),:=%1", (), (1,), (1, (2.5, ("x",)), None),
    dtypes.bfloat16, dtypes.bool_,
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_attributes_survive_the_text(value: Any) -> None:
    graph = trace(lambda x: ANYTHING(x, value=value, other=(value, value)), [PAIR])
    text = to_text(graph)
    back = from_text(text)
    assert back == graph, text
    kept = back.instructions[0].attrs["value"]
    assert type(kept) is type(value)
    assert repr(kept) == repr(value)


def test_nan_survives_the_text() -> None:
    back = from_text(to_text(trace(lambda x: ANYTHING(x, value=math.nan), [PAIR])))
    assert math.isnan(back.instructions[0].attrs["value"])


def test_nested_graphs_survive_the_text() -> None:
    inner = trace(lambda a: ANYTHING(a, value="}"), [Spec((), F32)])
    middle = trace(lambda a: ANYTHING(a, body=inner), [Spec((), F32)])
    outer = trace(lambda a: ANYTHING(a, then=middle, orelse=inner, both=(inner, middle)), [PAIR])
    text = to_text(outer)
    assert from_text(text) == outer
    assert to_text(from_text(text)) == text


def test_several_outputs_survive_the_text() -> None:
    graph = trace(lambda x: BATCH_NORM(x, eps=1e-5)[:2], [Spec((4, 2), dtypes.float16)])
    assert from_text(to_text(graph)) == graph
    verify(from_text(to_text(graph)))


def test_text_of_a_small_graph() -> None:
    graph = trace(lambda a, b: ADD(a, MUL(a, b)), [PAIR, PAIR])
    assert to_text(graph) == (
        "graph(%0: float32[2, 3], %1: float32[2, 3]) {\n"
        "  %2 = mul(%0, %1): float32[2, 3]\n"
        "  %3 = add(%0, %2): float32[2, 3]\n"
        "  return %3\n"
        "}"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "ends where graph"),
        ("graph(%0: float32[2]) {", "ends"),
        ("graph(%0: float33[2]) { return %0 }", "'float33' is not a dtype"),
        ("graph(%0: float32[2]) { %1 = nosuch(%0): float32[2] return %1 }", "'nosuch'"),
        ("graph(%0: float32[2]) { %5 = neg(%0): float32[2] return %5 }", "%1 was expected"),
        ("graph(%0: float32[2]) { %1 = neg(%0) {a=what}: float32[2] return %1 }", "'what'"),
        ("graph(%0: float32[2]) { return %0 } tail", "'tail' after the end"),
        ("graph(%0: float32[2]) { return ? }", r"unexpected ' \?"),
        ("graph(%0: float32[2]) { return 3 }", "found '3'"),
    ],
)
def test_bad_text_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        from_text(text)


# -- verifier ---------------------------------------------------------------------------------


def _graph(*made: Instruction, outputs: tuple[int, ...] = (1,)) -> Graph:
    return Graph((PAIR,), made, outputs)


def _neg(*, arg: int = 0, shape: Any = (2, 3), dtype: Any = F32, **attrs: Any) -> Instruction:
    return Instruction(op_by_name("neg"), (arg,), attrs, shape, dtype, None)


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        (_graph(_neg(arg=1)), "%1 is not defined before it"),
        (_graph(_neg(arg=-1)), "%-1 is not defined"),
        (_graph(_neg(shape=(3, 2))), "recorded as"),
        (_graph(_neg(dtype=dtypes.float64)), "recorded as"),
        (_graph(_neg(), outputs=(2,)), "output %2 is not defined"),
        (_graph(Instruction(ANYTHING, (0,), {"a": [1]}, (2, 3), F32, None)), "cannot be hashed"),
        (
            _graph(Instruction(ANYTHING, (0,), {"g": _graph(_neg(arg=1))}, (2, 3), F32, None)),
            "%1 is not defined before it",
        ),
        (
            _graph(Instruction(ANYTHING, (0,), {"g": (_graph(_neg(arg=1)),)}, (2, 3), F32, None)),
            "%1 is not defined before it",
        ),
        (
            Graph((Spec((2.0,), F32),), (_neg(shape=(2.0,)),), (1,)),  # type: ignore[arg-type]  # the fault under test
            "is not a shape",
        ),
    ],
)
def test_verifier_refuses(graph: Graph, complaint: str) -> None:
    with pytest.raises(InvalidGraph, match=complaint):
        verify(graph)


def test_verifier_accepts_and_returns() -> None:
    graph = trace(lambda x: BATCH_NORM(x, eps=1e-5), [Spec((4, 2), F32)])
    assert verify(graph) is graph
