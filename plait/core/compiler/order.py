"""Order: steps moved forward to where they free memory.

A recorded training step computes the gradients in the order in which parameters are asked for: the
first layer's needs the whole backward pass, so that the others' products wait, and everything they
read with them. Here a step, with what it still needs, is moved to just behind the last step it
waits for where that frees more than it makes. Nothing else moves, and no result changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plait.core.compiler.steps import Step, may_fail, reads, writes

#: Programs that need less at once are left as they are: it would not be noticed.
WORTH_BYTES = 8 << 20
#: What must become free for steps to be moved; and what share of the peak all must save.
_MOVE_BYTES = 64 << 10
_SAVED_SHARE = 16
#: How many steps are moved at a time, and how far behind a step they are looked for.
_MOST_MOVED = 16
_DEPTH = 6


def frugal(
    steps: Sequence[Step], in_arena: Callable[[Any], bool], donated: Mapping[Any, Any]
) -> list[Step]:
    """The steps in an order that needs less memory at once; as they are where little is saved.

    in_arena: whether a buffer's memory is free again after its last reader. donated: output ->
    input whose memory it is to take over; it stays behind all that reads the input. Steps that may
    fail stay in their order.
    """
    made = {buffer for step in steps for buffer in writes(step) if in_arena(buffer)}
    if sum([buffer.nbytes for buffer in made]) < WORTH_BYTES:
        return list(steps)
    before = peak(steps, in_arena)
    if before < WORTH_BYTES:
        return list(steps)
    moved = [steps[i] for i in _Mover(steps, in_arena, donated).order()]
    return moved if peak(moved, in_arena) <= before - before // _SAVED_SHARE else list(steps)


def peak(steps: Sequence[Step], in_arena: Callable[[Any], bool]) -> int:
    """The most bytes that are live at once, if each step were a phase."""
    last: dict[Any, int] = {}
    for number, step in enumerate(steps):
        for buffer in (*writes(step), *reads(step)):
            if in_arena(buffer):
                last[buffer] = number
    live: set[Any] = set()
    most = now = 0
    for number, step in enumerate(steps):
        touched = {b for b in (*writes(step), *reads(step)) if b in last}
        now += sum(b.nbytes for b in touched - live)
        live |= touched
        most = max(most, now)
        for buffer in touched:
            if last[buffer] == number:
                live.discard(buffer)
                now -= buffer.nbytes
    return most


class _Mover:
    """Steps by number: what each waits for, and who waits for it."""

    def __init__(
        self, steps: Sequence[Step], in_arena: Callable[[Any], bool], donated: Mapping[Any, Any]
    ) -> None:
        self.waits_for: list[set[int]] = [set() for _ in steps]
        self.followed_by: list[list[int]] = [[] for _ in steps]
        #: Of buffers in the arena: the steps that touch each.
        self.touched_by: dict[Any, set[int]] = {}
        self.touches: list[set[Any]] = []
        self._depend(steps, donated)
        for number, step in enumerate(steps):
            mine = {b for b in (*writes(step), *reads(step)) if in_arena(b)}
            self.touches.append(mine)
            for buffer in mine:
                self.touched_by.setdefault(buffer, set()).add(number)
            for ahead in self.waits_for[number]:
                self.followed_by[ahead].append(number)
        self.done: set[int] = set()

    def _depend(self, steps: Sequence[Step], donated: Mapping[Any, Any]) -> None:
        written: dict[Any, list[int]] = {}
        read: dict[Any, list[int]] = {}
        failing: int | None = None
        for number, step in enumerate(steps):
            ahead = self.waits_for[number]
            for buffer in reads(step):
                ahead.update(written.get(buffer, ()))
            for buffer in writes(step):
                ahead.update(written.get(buffer, ()), read.get(buffer, ()))
                ahead.update(read.get(donated.get(buffer), ()))
            if may_fail(step):
                if failing is not None:
                    ahead.add(failing)
                failing = number
            for buffer in reads(step):
                read.setdefault(buffer, []).append(number)
            for buffer in writes(step):
                written.setdefault(buffer, []).append(number)
            ahead.discard(number)

    def order(self) -> list[int]:
        """The numbers of the steps in their new order."""
        order: list[int] = []
        for number in range(len(self.waits_for)):
            if number in self.done:
                continue
            waiting = [number]
            behind: set[int] = set()
            while waiting:
                self.done.update(waiting)
                order += waiting
                behind.update(waiting)
                waiting = self._to_move(behind)
        return order

    def _to_move(self, behind: set[int]) -> list[int]:
        """Steps that are worth doing now that those `behind` are done: the first such group."""
        level: set[int] = set()
        for step in behind:
            level.update(self.followed_by[step])
            # It may have been the last but one to touch a buffer; the other need not follow it.
            level.update(*[self.touched_by[buffer] for buffer in self.touches[step]])
        seen: set[int] = set()
        for _ in range(_DEPTH):
            level -= seen | self.done
            seen |= level
            for step in sorted(level):
                group = self._group(step)
                if group is not None and self._gain(group) >= _MOVE_BYTES:
                    return sorted(group)
            level = {u for step in level for u in self.followed_by[step]}
        return []

    def _group(self, step: int) -> set[int] | None:
        """A step and all that it still waits for; None where that is too much."""
        group = {step}
        stack = [step]
        while stack:
            for ahead in self.waits_for[stack.pop()]:
                if ahead not in self.done and ahead not in group:
                    group.add(ahead)
                    stack.append(ahead)
                    if len(group) > _MOST_MOVED:
                        return None
        return group

    def _gain(self, group: set[int]) -> int:
        """The bytes that are free after a group, less those that it leaves behind."""
        gain = 0
        for buffer in set().union(*[self.touches[step] for step in group]):
            users = self.touched_by[buffer]
            is_live = not users.isdisjoint(self.done)
            ends = users <= self.done | group
            if is_live and ends:
                gain += buffer.nbytes
            elif not is_live and not ends:
                gain -= buffer.nbytes
        return gain
