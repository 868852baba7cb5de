"""The cheapest set of values that parts a graph: a minimum cut through nodes.

Source of the method: E. A. Dinic's algorithm for maximum flow (1970), by levels and blocking paths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

_ENDLESS = 1 << 62


def cheapest_cut(
    costs: Mapping[int, int],
    edges: Iterable[tuple[int, int]],
    starts: Iterable[int],
    ends: Iterable[int],
) -> set[int]:
    """Nodes without which no end is reached from a start along the edges, of the least cost; of
    several such sets that nearest to the ends. Starts and ends may be in it themselves."""
    network = _Network()
    for node, cost in costs.items():
        network.join(2 * node, 2 * node + 1, cost)
    for tail, head in edges:
        network.join(2 * tail + 1, 2 * head, _ENDLESS)
    source, sink = -1, -2
    for node in starts:
        network.join(source, 2 * node, _ENDLESS)
    for node in ends:
        network.join(2 * node + 1, sink, _ENDLESS)
    network.fill(source, sink)
    ahead = network.leads_to(sink)
    return {node for node in costs if 2 * node + 1 in ahead and 2 * node not in ahead}


class _Network:
    """Pipes in pairs: number ^ 1 is the way back."""

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.room: list[int] = []
        self.pipes: dict[int, list[int]] = {}

    def join(self, tail: int, head: int, room: int) -> None:
        for start, end, free in ((tail, head, room), (head, tail, 0)):
            self.pipes.setdefault(start, []).append(len(self.heads))
            self.heads.append(end)
            self.room.append(free)

    def fill(self, source: int, sink: int) -> None:
        """Let through as much as goes."""
        while sink in (depths := self._depths(source)):
            turns = dict.fromkeys(self.pipes, 0)
            while self._push(source, sink, depths, turns):
                pass

    def _depths(self, source: int) -> dict[int, int]:
        depths = {source: 0}
        waiting = deque([source])
        while waiting:
            here = waiting.popleft()
            for pipe in self.pipes.get(here, ()):
                head = self.heads[pipe]
                if self.room[pipe] and head not in depths:
                    depths[head] = depths[here] + 1
                    waiting.append(head)
        return depths

    def _push(self, source: int, sink: int, depths: dict[int, int], turns: dict[int, int]) -> bool:
        """Send what fits along one more way of least depth; False where there is none."""
        way: list[int] = []
        here = source
        while here != sink:
            pipes = self.pipes[here]
            while turns[here] < len(pipes):
                pipe = pipes[turns[here]]
                head = self.heads[pipe]
                if self.room[pipe] and depths.get(head) == depths[here] + 1:
                    break
                turns[here] += 1
            else:
                if not way:
                    return False
                here = self.heads[way.pop() ^ 1]
                turns[here] += 1
                continue
            way.append(pipe)
            here = head
        amount = min(self.room[pipe] for pipe in way)
        for pipe in way:
            self.room[pipe] -= amount
            self.room[pipe ^ 1] += amount
        return True

    def leads_to(self, sink: int) -> set[int]:
        """From where more could still reach the sink."""
        found = {sink}
        stack = [sink]
        while stack:
            for pipe in self.pipes.get(stack.pop(), ()):
                tail = self.heads[pipe]
                if self.room[pipe ^ 1] and tail not in found:
                    found.add(tail)
                    stack.append(tail)
        return found
