"""Random draws in the bodies of control flow: each turn draws anew.

A draw in a body is an input of its graph. What all turns draw is drawn where the control flow is
called, in the order in which a loop of Python would draw, and handed to it: a scan gets one row per
turn. So the numbers do not depend on what runs the turns, a gradient sees those of its turn, and a
compiled step draws anew in each call. Counters (of dropout's masks) are 16 bytes a turn; PyTorch's
own numbers (`rand`, `randn`, ...) take memory for all turns.

- **scan**, `map`: as a loop draws.
- **while_loop**: the counter is carried on; 2^32 of them are taken for a loop, whose turns nobody
  can count before. With PyTorch's own numbers the turns are recorded one by one (`while_loop.py`).
- **cond**: both branches take their draws, whichever runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from plait._functions.random import drawn, next_counters
from plait._higher_order_ops._origins import NOWHERE
from plait._higher_order_ops._traced import TracedTensor, placeholder, recorded
from plait._tensor import Tensor
from plait.core.batching.levels import Level
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ir.node import Node
from plait.core.lazy.cell import leaf_of
from plait.core.ops.elementwise import ADD, DETACH, MUL, cast
from plait.core.ops.source import ARANGE
from plait.core.ops.view import BITCAST, BROADCAST, reshape, slice_axis
from plait.core.runtime.generator import Generator

#: Counters that a loop takes which ends by its condition.
OF_A_LOOP = 1 << 32


class Draw(NamedTuple):
    """One draw of a body. node: the input that stands for it; it is what
    `function(generator, *args)` gives."""

    node: Node
    function: Callable[..., np.ndarray]
    generator: Any
    args: tuple[Any, ...]

    @property
    def counts(self) -> bool:
        """Whether it takes counters, and no numbers."""
        return self.function is next_counters


def noted(
    level: Level, function: Callable[..., np.ndarray], generator: Any, args: tuple[Any, ...]
) -> TracedTensor:
    """The tensor of a draw in the body that a level is of. Raises NotImplementedError where what
    records the body hands no draws in."""
    outside = next(found for found in recorded() if found.depth == level.number)
    if outside.draws is None:
        raise error(
            NotImplementedError,
            f"{level.name}: random draws in a body are not built in Plait yet: they would be the "
            "same in each turn. Draw before, and hand the numbers in",
        )
    # The type of what is drawn; the generator itself draws when the turns are counted.
    like = leaf_of(np.asarray(function(Generator(), *args)))
    node = placeholder(like)
    outside.draws.append(Draw(node, function, generator, args))
    # No gradient leads there: that a body may be differentiated must not make one.
    seen = DETACH(node) if node.dtype.is_differentiable else node
    return TracedTensor.of_result(seen, outside, NOWHERE)


def taken(draws: Sequence[Draw]) -> list[Any]:
    """What a body that runs once draws."""
    return [_tensor(drawn(draw.function, draw.generator, *draw.args)) for draw in draws]


def rows(draws: Sequence[Draw], turns: int, reverse: bool) -> list[Any]:
    """What the turns of a scan draw, stacked: for each draw a tensor (turns, *shape)."""
    found: dict[int, Any] = {}
    groups: dict[tuple[int, bool], list[int]] = {}
    for number, draw in enumerate(draws):
        groups.setdefault((id(draw.generator), draw.counts), []).append(number)
    for (_, counts), members in groups.items():
        group = [draws[number] for number in members]
        block = _counters(group, turns) if counts else _numbers(group, turns)
        if reverse:
            block = block.flip(0)
        start = 0
        for number in members:
            node = draws[number].node
            size = math.prod(node.shape)
            part = slice_axis(block, 1, start, start + size)
            found[number] = reshape(_as(part, node.dtype), (turns, *node.shape))
            start += size
    return [found[number] for number in range(len(draws))]


def _tensor(made: Any) -> Any:
    return Tensor.of_node(made) if type(made) is Node else made


def _counters(draws: Sequence[Draw], turns: int) -> Any:
    """The counters of all turns, a row for each: they follow one another."""
    count = sum(math.prod(draw.node.shape) for draw in draws) // 2
    block = _tensor(drawn(next_counters, draws[0].generator, turns, count))
    return reshape(block, (turns, 2 * count))


def _numbers(draws: Sequence[Draw], turns: int) -> Any:
    """The numbers of all turns, a row for each."""
    parts = tuple([(draw.function, draw.args) for draw in draws])
    return _tensor(drawn(_turn_by_turn, draws[0].generator, parts, turns))


def _turn_by_turn(generator: Any, parts: tuple[Any, ...], turns: int) -> np.ndarray:
    """What each turn draws in a row: of one dtype as such, else as int64 (see `_carried`)."""
    lines = [[np.asarray(f(generator, *args)) for f, args in parts] for _ in range(turns)]
    if len({part.dtype for part in lines[0]}) > 1:
        lines = [[_carried(part) for part in line] for line in lines]
    return np.stack([np.concatenate([part.reshape(-1) for part in line]) for line in lines])


def _carried(part: np.ndarray) -> np.ndarray:
    """Any numbers as int64, from which `_as` makes them again: of floats the bits as float64."""
    return part.astype(np.int64) if part.dtype.kind in "iub" else part.astype("f8").view(np.int64)


def _as(part: Any, dtype: Any) -> Any:
    """Numbers of a block as they were drawn."""
    if part.dtype is dtypes.int64 and dtype.is_floating_point:
        part = BITCAST(part, dtype=dtypes.float64)
    return cast(part, dtype)


class LoopDraws:
    """The counters of a loop that ends by its condition: in each turn those of the condition, then
    those of the body. What it carries for them is the next one, int64[2]."""

    def __init__(self) -> None:
        self._per_turn = 0

    def add(self, draws: Sequence[Draw]) -> Callable[[Any], list[Any]]:
        """What makes the counters of these draws of the one a turn begins with, in a graph."""
        places: list[tuple[int, tuple[int, ...]]] = []
        for draw in draws:
            places.append((self._per_turn, draw.node.shape))
            self._per_turn += math.prod(draw.node.shape) // 2
        return lambda begun: [_from(begun, start, shape) for start, shape in places]

    def __bool__(self) -> bool:
        return self._per_turn > 0

    def first(self) -> Any:
        """The counter that the loop begins with."""
        return _tensor(drawn(_for_a_loop, None))

    def next(self, begun: Any) -> Any:
        """The counter that the next turn begins with."""
        return _from(begun, self._per_turn, (2,))


def _for_a_loop(generator: Any) -> np.ndarray:
    return np.array(generator.next_counter(OF_A_LOOP), np.uint64).view(np.int64)


def _from(begun: Any, start: int, shape: tuple[int, ...]) -> Any:
    """Counters in a row, the first of them `start` after one: (*shape), whose last extent is 2."""
    count = math.prod(shape) // 2
    wide = (count, 2)
    after = Node(ARANGE, (), {"start": start, "step": 1, "size": count, "dtype": dtypes.int64})
    which = Node(ARANGE, (), {"start": 0, "step": 1, "size": 2, "dtype": dtypes.int64})
    steps = MUL(
        BROADCAST(reshape(after, (count, 1)), shape=wide),
        BROADCAST(reshape(which, (1, 2)), shape=wide),
    )
    return reshape(ADD(BROADCAST(reshape(begun, (1, 2)), shape=wide), steps), shape)
