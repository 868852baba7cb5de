"""Launches of blocks: each is a program of its own, known by which of its values outlive it.

A new arrangement of known blocks compiles nothing: the blocks that a value needs are computed one
after the other, in the order in which they were recorded.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from operator import gt
from typing import Any

from plait.core.ir.graph import capture
from plait.core.ir.node import Node
from plait.core.lazy.replay.block import Block, waits_in_block
from plait.core.lazy.replay.donation import UNHELD, donations, shared_inputs
from plait.core.lazy.replay.thread import threads
from plait.core.runtime.crowd import let_others_in
from plait.core.runtime.realize import Runner, settings


class _Program:
    """What computes a block: places of its inputs and outputs, and its graph.

    donated: as `Donating` has it.
    """

    __slots__ = ("donated", "inputs", "outputs", "runner")

    runner: Runner
    inputs: list[int]
    outputs: list[int]
    donated: list[tuple[int, int]]


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
    while stack:
        node = stack.pop()
        if node.value is not None:
            continue
        if not waits_in_block(node, threads.owner.thread):
            return None
        block: Any = node.run
        if block.number not in found:
            found[block.number] = block
            stack += block.needs
    return [found[number] for number in sorted(found)]


def _launch(block: Block, donors: dict[int, Node], setting: tuple) -> bool:
    """Compute all of a block that something outside of it holds."""
    nodes, point = block.nodes, block.point
    waiting = [node for node in nodes if node.value is None and node.run is block]
    counts = list(map(sys.getrefcount, waiting))
    thresholds = point.thresholds
    if thresholds is None:
        uses = Counter(id(operand) for node in waiting for operand in node.inputs)
        # Besides its users, the list of the block and the one here hold a node.
        thresholds = point.thresholds = [UNHELD + 1 + uses[id(node)] for node in waiting]
    if block.disturbed or len(thresholds) != len(waiting):
        return False
    mask = (*map(gt, counts, thresholds), bool(donors))
    program = point.finals.get(mask)
    if program is None:
        wanted = [node for node, is_wanted in zip(waiting, mask) if is_wanted]
        del waiting
        program = _program(block, wanted, donors)
        if program is None:
            return False
        point.finals[mask] = program
        copies: list[int] = [number for number, _ in program.donated]
    else:
        del waiting
        copies = shared_inputs(program, nodes) if program.donated else []
    inputs = [nodes[place].value for place in program.inputs]
    for number in copies:
        inputs[number] = inputs[number].copy()
    try:
        results = let_others_in(program.runner.run, inputs, setting)
    except Exception:
        return False  # the ordinary way finds the user's line
    if block.nodes is not nodes:
        return False  # given up meanwhile
    for place, result in zip(program.outputs, results):
        node = nodes[place]
        if node.value is None:  # else another thread was sooner
            node.set_value(result)
    threads.forget(block)
    return True


def _program(block: Block, wanted: list[Node], donors: dict[int, Node]) -> _Program | None:
    """What computes these nodes of a block; None where it reads what the block does not know."""
    captured = capture(wanted)
    if any(node.run is not block for node in captured.nodes):
        return None
    places = {id(node): place for place, node in enumerate(block.nodes)}
    program = _Program()
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
