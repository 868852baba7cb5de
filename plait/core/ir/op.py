"""The operation record: all that Plait knows of one op, in one place.

An `Op` is called to record it: on nodes it gives a node; on richer values (lazy tensors, tracers)
it hands itself to their `bind`, so that one derivative rule, written once with op calls, serves
plain and higher-order differentiation alike.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

from plait.core.ir.node import Node, Unneeded, here

#: Kinds of values that decide how an op is recorded, whatever the other operands are.
binds_first: set[type] = {Unneeded}


class Lowering(enum.Enum):
    """How an op becomes kernels. Passes switch on this class, never on an op's name."""

    SOURCE = "source"  # no inputs: constants, ranges
    ELEMENTWISE = "elementwise"  # one output element from the same element of each input
    REDUCE = "reduce"  # folds axes, which stay as extent 1
    VIEW = "view"  # moves no value to another value: index arithmetic only
    CONTRACT = "contract"  # dot_general
    CONV = "conv"
    WINDOW = "window"  # pooling
    GATHER = "gather"
    SCATTER = "scatter"
    SORT = "sort"
    SCAN = "scan"  # cumulative along an axis
    ROWWISE = "rowwise"  # composites that work row by row: softmax, norms, losses
    ATTENTION = "attention"
    RECURRENT = "recurrent"  # LSTM and GRU over a sequence
    RANDOM = "random"
    CONTROL = "control"  # holds sub-graphs
    ITEM = "item"  # picks one output of a node with several
    OPAQUE = "opaque"  # a library or Python call: LAPACK, FFT, user functions


class Op:
    """One operation.

    infer(*inputs, **attrs) -> (shape, dtype): inputs are anything with `.shape` and `.dtype`;
        raises ShapeError / DTypeError naming the op and what it received. With `outputs` > 1:
        (tuple of shapes, tuple of dtypes).
    reference(*arrays, **attrs) -> array (or tuple of arrays): NumPy. 16-bit floats are widened to
        float32 before and rounded once after by the executor unless `moves_only`. None for a
        composite that is run through its body. Ops of lowering CONTROL also get `run=`, a function
        (graph, arrays) -> arrays, from the executor that calls them.
    body(*nodes, **attrs) -> node (or tuple): a composite's meaning in primitive ops.
    vjp(g, y, *inputs, **attrs) -> one gradient, or a tuple with one entry (or None) per input; `g`
        and `y` are tuples with several outputs. None: not differentiable, or derived from the body.
        Ops of lowering CONTROL also get `graph_vjp=`, a function graph -> graph, from autodiff.
    saves: what `vjp` reads besides shapes and dtypes: input positions, and "y" for the outputs, or
        "places" where of these it reads only such as have no gradient: others may be written over.
    reads: per input, the input positions that its gradient alone reads (None: all of `saves`); what
        only unneeded gradients read is not kept.
    jvp(tangents, y, *inputs, **attrs), batch(size, axes, *inputs, **attrs): None means derived.
    check(*arrays, **attrs): raises IndexError, ValueError or ZeroDivisionError for bad values; run
        before anything is written, and at recording time where the values are already there.
        `checks` lists the input positions it reads: the other arguments are given as None.
    flops(*inputs, **attrs) -> int, bytes(...) -> int: work and compulsory traffic.
    differentiable: which inputs a gradient may flow to (None: all floating ones).
    dtypes: the element types that tests try; domain: open interval of test values.
    """

    def __init__(
        self,
        name: str,
        *,
        infer: Callable[..., tuple[Any, Any]],
        lowering: Lowering,
        reference: Callable[..., Any] | None = None,
        body: Callable[..., Any] | None = None,
        vjp: Callable[..., Any] | None = None,
        saves: tuple[int | str, ...] = (),
        reads: tuple[tuple[int, ...], ...] | None = None,
        jvp: Callable[..., Any] | None = None,
        batch: Callable[..., Any] | None = None,
        check: Callable[..., None] | None = None,
        checks: tuple[int, ...] = (),
        flops: Callable[..., int] | None = None,
        bytes: Callable[..., int] | None = None,
        outputs: int | Callable[..., int] = 1,
        moves_only: bool = False,
        differentiable: tuple[int, ...] | None = None,
        dtypes: tuple[Any, ...] = (),
        domain: tuple[float, float] = (-3.0, 3.0),
        doc: str = "",
    ) -> None:
        self.name = name
        self.infer = infer
        self.lowering = lowering
        self.reference = reference
        self.body = body
        self.vjp = vjp
        self.saved_inputs = tuple([s for s in saves if isinstance(s, int)])
        self.watches_output = "y" in saves
        self.saves_output = self.watches_output or "places" in saves
        self.reads = reads
        self.jvp = jvp
        self.batch = batch
        self.check = check
        self.checks = checks
        self.flops = flops or _one_flop_per_element
        self.bytes = bytes or _inputs_and_outputs
        self.outputs = outputs
        self.moves_only = moves_only
        self.differentiable = differentiable
        self.dtypes = dtypes
        self.domain = domain
        self.doc = doc or (infer.__doc__ or "")
        #: Whether a gradient can pass: by a rule of its own or through the body.
        self.has_vjp = vjp is not None or body is not None
        register(self)

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        """Record this op; with several outputs, gives a tuple."""
        richer = None
        for value in inputs:
            kind = type(value)
            if kind is not Node:
                richer = value
                if kind in binds_first:
                    break
        if richer is not None:
            return richer.bind(self, inputs, attrs)
        node = Node(self, inputs, attrs)
        if self.outputs == 1:
            return node
        return tuple(ITEM(node, index=i) for i in range(len(node.shape)))

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def __reduce__(self):
        return (op_by_name, (self.name,))


_REGISTRY: dict[str, Op] = {}


def register(op: Op) -> None:
    """Enter a record under its name; each name is defined once."""
    if op.name in _REGISTRY:
        raise ValueError(f"op {op.name!r} is defined twice")
    _REGISTRY[op.name] = op


def op_by_name(name: str) -> Op:
    """The record of an op. Raises KeyError for an unknown name."""
    return _REGISTRY[name]


def all_ops() -> list[Op]:
    """Every record, by name."""
    return [_REGISTRY[name] for name in sorted(_REGISTRY)]


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements of a shape."""
    return math.prod(shape)


def _result_types(inputs: tuple[Any, ...], op_infer: Callable[..., Any], attrs: dict) -> list:
    shape, dtype = op_infer(*inputs, **attrs)
    return list(zip(shape, dtype)) if isinstance(dtype, tuple) else [(shape, dtype)]


def _one_flop_per_element(*inputs: Any, **attrs: Any) -> int:
    return max((elements(x.shape) for x in inputs), default=0)


def _inputs_and_outputs(*inputs: Any, **attrs: Any) -> int:
    return sum(elements(x.shape) * x.dtype.itemsize for x in inputs)


def _infer_item(value: Any, *, index: int) -> tuple[Any, Any]:
    """One output of an op with several."""
    return value.shape[index], value.dtype[index]


ITEM = Op(
    "item",
    infer=_infer_item,
    lowering=Lowering.ITEM,
    reference=lambda value, *, index: value[index],
    flops=lambda *inputs, **attrs: 0,
    bytes=lambda *inputs, **attrs: 0,
    moves_only=True,
)


def _infer_leaf(*, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """A value that came from outside the graph."""
    return shape, dtype


LEAF = Op("leaf", infer=_infer_leaf, lowering=Lowering.SOURCE)


_new: Any = object.__new__


def leaf(value: Any, shape: tuple[int, ...], dtype: Any) -> Node:
    """A node for a value that is already there."""
    # As `Node` makes it, without the calls: each step of an optimizer makes some of its numbers.
    node = _new(Node)
    node.op = LEAF
    node.inputs = ()
    node.attrs = {"shape": shape, "dtype": dtype}
    node.shape = shape
    node.dtype = dtype
    node.value = value
    node.source = None
    node.run = here.owner
    node.place = 0
    return node
