"""Fuse: which instructions run as one kernel.

A cluster is a set of elementwise ops and reductions over one space. Its rows are indexed by the
outer axes of the space and folded by reductions over the `inner` ones; a value of the cluster is
either full (the shape of the space) or has one element per row. Reductions over the other axes
(`across`) add rows up; nobody in the cluster can read them. Everything else (contractions, windows,
gathers, library calls) is a cluster of its own.

Clusters start as single instructions and are merged along the edges between them where the shapes
fit and no other cluster would have to run in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from plait.core.compiler import views
from plait.core.compiler.views import View
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import ITEM, Lowering
from plait.core.ops.elementwise import ALIAS
from plait.core.ops.source import FULL

#: A row that takes part in more than one pass is kept in cache; beyond this it would not be.
ROW_ELEMENTS = 1 << 17
#: Kernels with more ops than this take long to compile and run out of registers.
_MOST_OPS = 160
#: Values of the result's size that an epilogue reads. A residual or a mask is no burden; an update
#: of parameters (gradient, parameter, two moments) walks many arrays tile by tile, which memory
#: serves at a third of the speed of a walk along the rows.
_MOST_STREAMS = 1

Axes = frozenset[int]
Shape = tuple[int, ...]


class Cluster:
    """Instructions (positions in the graph, in order) that run as one kernel."""

    def __init__(self, place: int, space: Shape | None) -> None:
        self.places = [place]
        #: None: an instruction that fuses with nothing.
        self.space = space
        self.inner: Axes | None = None
        self.across: Axes | None = None
        #: The elementwise cluster that a contraction takes along; its places are among these.
        self.epilogue: Cluster | None = None

    @property
    def first(self) -> int:
        return self.places[0]

    @property
    def last(self) -> int:
        return self.places[-1]

    @property
    def reduces(self) -> bool:
        return self.inner is not None or self.across is not None


def proper(shape: Shape, axes: tuple[int, ...] | Axes) -> Axes:
    """The axes of more than one element."""
    return frozenset(axis for axis in axes if shape[axis] != 1)


def folded(shape: Shape, axes: Axes) -> Shape:
    """The shape with some axes folded to extent 1."""
    return tuple([1 if axis in axes else n for axis, n in enumerate(shape)])


def complement(shape: Shape, axes: Axes) -> Axes:
    """The other axes of more than one element."""
    return proper(shape, frozenset(range(len(shape))) - axes)


def axes_of(made: Instruction) -> tuple[int, ...]:
    """The axes that a reduction folds."""
    return made.attrs["axes"] if "axes" in made.attrs else (made.attrs["axis"],)


class Fusion:
    """The clusters of a graph, and what each value is a view of."""

    def __init__(self, graph: Graph, fuses: Callable[[Graph, Instruction], bool]) -> None:
        self.graph = graph
        self.first = len(graph.inputs)
        self.views = _views(graph)
        self.cluster_of: dict[int, Cluster] = {}
        self._fuses = fuses
        self._users: dict[int, set[int]] = {}
        for place, made in enumerate(graph.instructions):
            if not self.is_view(place) and made.op is not FULL and made.op is not ITEM:
                self.cluster_of[place] = self._single(place, made)
        self._note_users()
        for place in list(self.cluster_of):
            self._merge_with_operands(place)

    def clusters(self) -> list[Cluster]:
        """The clusters, each after those whose results it reads."""
        waiting = sorted(set(self.cluster_of.values()), key=lambda c: c.first)
        done: set[int] = set()
        ordered: list[Cluster] = []
        for start in waiting:
            stack = [start]
            while stack:
                cluster = stack[-1]
                ahead = [c for c in self.producers(cluster) if id(c) not in done]
                if ahead:
                    stack.extend(sorted(ahead, key=lambda c: -c.first))
                    continue
                stack.pop()
                if id(cluster) not in done:
                    done.add(id(cluster))
                    ordered.append(cluster)
        return ordered

    def producers(self, cluster: Cluster) -> set[Cluster]:
        """The clusters whose results a cluster reads."""
        found = {self.cluster_of[p] for p in self.reads(cluster)}
        found.discard(cluster)
        return found

    def reads(self, cluster: Cluster) -> list[int]:
        """The places of all instructions whose results a cluster reads."""
        return [p for place in cluster.places for p in self.sources(place)]

    def sources(self, place: int) -> list[int]:
        """The places of the instructions whose results an instruction reads, through views."""
        bases = [self.base(arg) for arg in self.graph.instructions[place].args]
        return [b - self.first for b in bases if b - self.first in self.cluster_of]

    def base(self, value: int) -> int:
        """The value in whose memory a value lies; of an item, the node with several outputs."""
        value = self.views[value].base
        place = value - self.first
        while place >= 0 and self.graph.instructions[place].op is ITEM:
            value = self.graph.instructions[place].args[0]
            place = value - self.first
        return value

    def is_view(self, place: int) -> bool:
        """Whether an instruction only says where the elements of another value lie."""
        value = self.first + place
        return self.views[value].base != value

    def users(self, place: int) -> set[int]:
        """The places of the instructions that read a result, through views."""
        return self._users.get(place, set())

    def is_item(self, value: int) -> bool:
        place = value - self.first
        return place >= 0 and self.graph.instructions[place].op is ITEM

    # -- forming ----------------------------------------------------------------------------------

    def _single(self, place: int, made: Instruction) -> Cluster:
        if not self._fuses(self.graph, made):
            return Cluster(place, None)
        if made.op.lowering is not Lowering.REDUCE:
            return Cluster(place, made.shape)
        shape = self.graph.type_of(made.args[0]).shape
        cluster = Cluster(place, shape)
        axes = proper(shape, axes_of(made))
        last = max(proper(shape, frozenset(range(len(shape)))), default=-1)
        if last in axes or made.op.name != "sum":
            cluster.inner = axes
        else:
            cluster.across = axes
        return cluster

    def _note_users(self) -> None:
        for place in self.cluster_of:
            for source in self.sources(place):
                self._users.setdefault(source, set()).add(place)

    def _merge_with_operands(self, place: int) -> None:
        if self.graph.instructions[place].op is ALIAS:
            return  # made again, to be read late: see `recompute`
        for source in sorted(set(self.sources(place)), reverse=True):
            ahead, here = self.cluster_of[source], self.cluster_of[place]
            if ahead is not here and self._fit(ahead, here) and not self.between(ahead, here):
                self._merge(ahead, here)

    def _merge(self, ahead: Cluster, here: Cluster) -> None:
        space, inner, across = self._joint(ahead, here) or (None, None, None)
        ahead.space, ahead.inner, ahead.across = space, inner, across
        ahead.places = sorted({*ahead.places, *here.places})
        for place in here.places:
            self.cluster_of[place] = ahead

    def _joint(self, a: Cluster, b: Cluster) -> tuple[Shape, Axes | None, Axes | None] | None:
        """(space, inner, across) of the union; None where the two do not agree."""
        if a.space is None or b.space is None:
            return None
        if a.inner is not None and b.inner is not None and a.inner != b.inner:
            return None
        if a.across is not None and b.across is not None and a.across != b.across:
            return None
        inner = a.inner if a.inner is not None else b.inner
        across = a.across if a.across is not None else b.across
        if a.reduces and b.reduces and a.space != b.space:
            return None
        if a.reduces != b.reduces:
            space = a.space if a.reduces else b.space
        else:
            space = a.space if math.prod(a.space) >= math.prod(b.space) else b.space
        if inner is not None and across is not None and across != complement(space, inner):
            return None
        return space, inner, across

    def _fit(self, ahead: Cluster, here: Cluster) -> bool:
        joint = self._joint(ahead, here)
        if joint is None or len(ahead.places) + len(here.places) > _MOST_OPS:
            return False
        space, inner, _ = joint
        rows = folded(space, inner) if inner is not None else None
        if inner and math.prod([space[axis] for axis in inner]) > ROW_ELEMENTS:
            return False
        both = {*ahead.places, *here.places}
        return all(self._belongs(place, space, rows, both, joint) for place in both)

    def _belongs(
        self, place: int, space: Shape, rows: Shape | None, both: set[int], joint: tuple
    ) -> bool:
        """Whether an instruction has a place in a cluster: its shape, and how it reads others."""
        made = self.graph.instructions[place]
        reduces = made.op.lowering is Lowering.REDUCE
        shape: Shape = self.graph.type_of(made.args[0]).shape if reduces else made.shape
        if shape not in (space, rows):
            return False
        if reduces:
            axes = proper(shape, axes_of(made))
            wanted = joint[1] if shape == space and axes == joint[1] else joint[2]
            if axes != wanted or (shape == rows and rows != space and axes != joint[2]):
                return False
        for arg in made.args:
            source = self.base(arg) - self.first
            if source in both and not self._reads_directly(arg, source, space, rows, joint):
                return False
        return True

    def _reads_directly(
        self, arg: int, source: int, space: Shape, rows: Shape | None, joint: tuple
    ) -> bool:
        """Whether an operand is a value of the cluster itself, or the spread of a value per row."""
        producer = self.graph.instructions[source]
        if producer.op.lowering is Lowering.REDUCE and self.is_across(source, joint):
            return False
        view = self.views[arg]
        if view.is_whole and view.shape == producer.shape:
            return True
        if rows is None or producer.shape != rows or view.shape != space:
            return False
        return not view.guards and view.offset == 0 and view.strides == views.row_major(rows)

    def is_across(self, place: int, joint: tuple) -> bool:
        """Whether a reduction of a cluster (space, inner, across) adds rows up."""
        made = self.graph.instructions[place]
        shape = self.graph.type_of(made.args[0]).shape
        axes = proper(shape, axes_of(made))
        folds_rows = shape == joint[0] and axes == joint[1]
        return axes == joint[2] and not folds_rows

    def between(self, ahead: Cluster, here: Cluster) -> bool:
        """Whether a third cluster reads the one and is read, by whatever way, by the other."""
        stack = [c for c in self._consumers(ahead) if c is not here]
        seen = {id(ahead), *[id(c) for c in stack]}
        while stack:
            cluster = stack.pop()
            if cluster.first > here.last:
                continue
            for user in self._consumers(cluster):
                if user is here:
                    return True
                if id(user) not in seen:
                    seen.add(id(user))
                    stack.append(user)
        return False

    def _consumers(self, cluster: Cluster) -> set[Cluster]:
        found = {self.cluster_of[u] for p in cluster.places for u in self._users.get(p, ())}
        found.discard(cluster)
        return found

    # -- splitting --------------------------------------------------------------------------------

    def peel(self, cluster: Cluster, place: int) -> Cluster | None:
        """Take off what the cluster does elementwise to the result of `place`, as a cluster of its
        own, and give it. What is left reads one result of it; None where that cannot be.
        """
        mine = set(cluster.places)
        late: set[int] = set()
        early: set[int] = set()
        for here in cluster.places:
            made = self.graph.instructions[here]
            sources = set(self.sources(here))
            folds = made.op.lowering is Lowering.REDUCE or made.shape != cluster.space
            if folds or late & sources:
                late.add(here)
            elif place in sources or early & sources:
                early.add(here)
        early |= self._needed(early, mine)
        if not early or early & late:
            return None
        rest = [here for here in cluster.places if here not in early]
        crossing = {s for here in rest for s in self.sources(here) if s in early}
        if len(crossing) > 1:
            return None
        head = Cluster(min(early), cluster.space)
        head.places = sorted(early)
        cluster.places = rest
        for here in early:
            self.cluster_of[here] = head
        return head

    def _needed(self, places: set[int], among: set[int]) -> set[int]:
        """What instructions read, directly or not, within a set."""
        found: set[int] = set()
        stack = list(places)
        while stack:
            for source in self.sources(stack.pop()):
                if source in among and source not in found:
                    found.add(source)
                    stack.append(source)
        return found

    # -- epilogues ------------------------------------------------------------------------------

    def attach_epilogue(self, place: int) -> None:
        """Join a contraction with the elementwise cluster that reads its result as it is."""
        own = self.cluster_of[place]
        shape = self.graph.instructions[place].shape
        for user in sorted(self.users(place)):
            cluster = self.cluster_of[user]
            if cluster.space != shape or not self._reads_whole(place, cluster):
                continue
            if cluster.reduces:
                if self.graph.instructions[user].op.lowering is Lowering.REDUCE:
                    continue
                head = self.peel(cluster, place)
                if head is None:
                    continue
                cluster = head
            if self._streams(place, cluster) > _MOST_STREAMS:
                continue
            if self.cluster_of[user] is cluster and not self.between(own, cluster):
                own.epilogue = cluster
                own.places = sorted({place, *cluster.places})
                for taken in cluster.places:
                    self.cluster_of[taken] = own
                return

    def _streams(self, place: int, cluster: Cluster) -> int:
        """How many values of the cluster's size it reads besides the result of `place`."""
        mine = {place, *cluster.places}
        read = set()
        for here in cluster.places:
            for arg in self.graph.instructions[here].args:
                base = self.base(arg)
                made = base - self.first
                constant = made >= 0 and self.graph.instructions[made].op is FULL
                if made not in mine and not constant:
                    read.add(base)
        return sum(self.graph.type_of(base).shape == cluster.space for base in read)

    def _reads_whole(self, place: int, cluster: Cluster) -> bool:
        for user in cluster.places:
            for arg in self.graph.instructions[user].args:
                if self.base(arg) - self.first == place:
                    view = self.views[arg]
                    if not view.is_whole or view.shape != cluster.space:
                        return False
        return True


def _views(graph: Graph) -> list[View]:
    """For each value, the memory it lies in; itself for all that is not a view."""
    found = [views.whole(i, spec.shape) for i, spec in enumerate(graph.inputs)]
    for place, made in enumerate(graph.instructions):
        value = len(graph.inputs) + place
        view = views.apply(found[made.args[0]], made) if made.args else None
        if view is None:
            shape = made.shape if not isinstance(made.dtype, tuple) else ()
            view = views.whole(value, shape)
        found.append(view)
    return found
