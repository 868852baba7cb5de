"""Launches of blocks: each is a program of its own, known by which of its values outlive it.

A new arrangement of known blocks compiles nothing: the blocks that a value needs are computed one
after the other, in the order in which they were recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import gt
from typing import Any

from plait.core.ir.graph import capture
from plait.core.ir.node import Node
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.counted import UNHELD, count_references, references
from plait.core.lazy.replay.donation import donations, shared_inputs
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.replay.values import Values
from plait.core.runtime.crowd import let_others_in
from plait.core.runtime.realize import Runner, settings

#: Launches and reference counts that are kept of blocks that end at one point.
_MOST_FINALS = 256


def compute_blocks(roots: Sequence[Node], donors: Sequence[Node | None]) -> bool:
    """Give roots their values, block by block; False where they cannot all be computed so.

    donors: as `compute` has it. Nothing is lost where a block fails: what is computed has its
    value, and the ordinary way finds the fault.
    """
    threads.cut()
    needed = _needed(roots)
    if needed is None:
        return False
    given = {id(root): donor for root, donor in zip(roots, donors) if donor is not None}
    setting = settings()
    for block in needed:
        # What gives its memory away must be the last that can fail.
        if not _launch(block, given if block is needed[-1] else {}, setting):
            return False
    threads.note_blocks(needed)
    return True


def _needed(roots: Sequence[Node]) -> list[Block] | None:
    """The blocks that roots are computed with, in order; None where something is in no block."""
    found: dict[int, Block] = {}
    stack = list(roots)
    thread = threads.owner.thread
    while stack:
        node = stack.pop()
        if node.value is not None:
            continue
        block: Any = node.run
        # As `waits_in_block` has it, for some hundred nodes of a step.
        if type(block) is not Block or not block.waits or block.thread != thread:
            return None
        if block.number not in found:
            found[block.number] = block
            stack += block.needs
    return [found[number] for number in sorted(found)]


def _launch(block: Block, donors: dict[int, Node], setting: tuple) -> bool:
    """Compute all of a block that something outside of it holds."""
    nodes, finals = block.nodes, block.point.finals
    if block.disturbed:
        return False
    key = (references(nodes), bool(donors))
    program = finals.get(key)
    copies: list[int] | None = None
    if program is None:
        mask = _held(block, bool(donors))
        program = None if mask is None else finals.get(mask)
        if mask is not None and program is None:
            program = finals[mask] = _program(block, mask, donors)
            copies = [] if program is None else [number for number, _ in program.donated]
        if program is None:
            return False
        if len(finals) < _MOST_FINALS:
            finals[key] = program
    if copies is None:
        copies = shared_inputs(program, nodes) if program.donated else []
    inputs = program.arrays(nodes)
    for number in copies:
        inputs[number] = inputs[number].copy()
    try:
        results = let_others_in(program.runner.run, inputs, setting)
    except Exception:
        return False  # the ordinary way finds the user's line
    if block.nodes is not nodes:
        return False  # given up meanwhile
    program.give(nodes, results)
    threads.forget(block)
    return True


def _held(block: Block, gives: bool) -> tuple[bool, ...] | None:
    """Per waiting node of a block whether something outside of it holds it, and whether memory is
    given away; None where the block is not as it was recorded."""
    point = block.point
    waiting = [node for node in block.nodes if node.value is None and node.run is block]
    counts = count_references(waiting)
    if point.thresholds is None:
        uses = Counter(id(operand) for node in waiting for operand in node.inputs)
        # Besides its users, the list of the block and the one here hold a node.
        point.thresholds = [UNHELD + 1 + uses[id(node)] for node in waiting]
    if len(point.thresholds) != len(waiting):
        return None
    return (*map(gt, counts, point.thresholds), gives)


def _program(block: Block, mask: tuple[bool, ...], donors: dict[int, Node]) -> Values | None:
    """What computes the nodes of a block that are held (see `_held`); None where it reads what the
    block does not know."""
    waiting = [node for node in block.nodes if node.value is None and node.run is block]
    wanted = [node for node, is_wanted in zip(waiting, mask) if is_wanted]
    del waiting
    captured = capture(wanted)
    if any(node.run is not block for node in captured.nodes):
        return None
    places = {id(node): place for place, node in enumerate(block.nodes)}
    program = Values()
    try:
        program.inputs = [places[id(node)] for node in captured.leaves]
    except KeyError:
        return None
    program.outputs = [places[id(node)] for node in wanted]
    given, donated = donations(captured, captured.graph, wanted, donors)
    # One more that is known: `donors` itself.
    program.donated = [(number, known + 1) for number, known in donated]
    program.runner = Runner(captured.graph, given)
    return program
