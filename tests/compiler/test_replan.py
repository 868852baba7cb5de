"""Plans made of earlier ones: equal to those made anew in all that they hold, or not made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait.core.codegen import copies
from plait.core.codegen.kernel import Launch
from plait.core.compiler import replan, structure
from plait.core.compiler.structure import Structures
from plait.core.ir import dtypes
from plait.core.ir.derived import Derivation, Derived, as_one, is_derived, plain
from plait.core.ir.extents import varies
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.llvm.target import target
from plait.core.ops.view import TRANSPOSE
from plait.core.runtime.compiled import CompiledGraph
from tests.compiler.extent_cases import (
    MODELS,
    assert_same_bits,
    batch_of,
    cross_entropy,
    made,
    mlp,
    rows,
    training,
)
from tests.compiler.plan_cases import Compared, anew, scaled, written
from tests.compiler.wide_graphs import wide_graph


@pytest.fixture(autouse=True)
def nothing_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is the first to meet its structures."""
    monkeypatch.setattr(structure, "known", Structures())
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")


def program(derivation: Derivation, *wanted: Any) -> Callable[..., Any]:
    """What was derived, as a function of the roots."""
    names = ", ".join(root.name for root in derivation.roots)
    lines = derivation.lines(number.name for number in wanted if type(number) is Derived)
    result = "".join([f"{derivation.text(number)}, " for number in wanted])
    space = dict(derivation.functions)
    exec("\n    ".join([f"def program({names}):", *lines, f"return ({result})"]), space)
    return space["program"]


# -- numbers ------------------------------------------------------------------------------------


def test_what_is_computed_is_computed_again() -> None:
    derivation = Derivation()
    n, m = derivation.root(40), derivation.root(7)

    def numbers(n: Any, m: Any) -> list[Any]:
        part, rest = divmod(n * m, 9)
        return [
            n + m, 3 - n, n - 3, -n, n // m, 100 // m, n % m, 100 % m, n / m, 1 / n, n * 0.5, part,
            rest, abs(m - n), n**2, 2**m, n << 2, n >> 1, n & 3, -(-n // 16) * 16, n * -1.5,
        ]  # fmt: skip

    made = numbers(n, m)
    assert all(type(number) is Derived for number in made)
    function = program(derivation, *made)
    for roots in ((40, 7), (1, 2), (512, 33)):
        wanted = numbers(*roots)
        assert list(function(*roots)) == wanted
        assert list(map(type, function(*roots))) == list(map(type, wanted))


def test_what_is_decided_holds_the_plan_to_it() -> None:
    cases: list[tuple[Callable[[Any], Any], list[int], list[int]]] = [
        (lambda n: n < 50, [2, 49], [50, 51]),
        (lambda n: n >= 41, [40, 2], [41, 80]),
        (lambda n: n == 40, [40], [39, 41]),
        (lambda n: (n, 3) == (41, 3), [40, 3], [41]),
        (lambda n: max(n, 30), [31, 90], [29, 2]),
        (lambda n: sorted([50, n, 20]), [21, 49], [19, 50, 51]),
        (lambda n: bool(n - 39), [40, 2], [39]),
        (lambda n: n in (3, 4), [40, 5], [3, 4]),
        (lambda n: list(range(n)), [40], [39, 41]),
        (lambda n: [0] * n, [40], [41]),
        (lambda n: np.zeros((n, 2)), [40], [41]),
        (lambda n: f"{n}", [40], [41]),
        (lambda n: int(n), [40], [41]),
        (lambda n: float(n), [40], [41]),
        (lambda n: n.bit_length(), [40], [33]),
        (lambda n: (n, 2) in {(n + 1, 2)}, [40, 7], []),
        (lambda n: (n, 2) in {(2 * n - 40, 2)}, [40], [41]),
        (lambda n: len({n, n + 0, n * 1}), [40, 41, 2], []),
        (varies, [40, 2], [0, 1]),
        (lambda n: as_one(max, n, 30), [40, 2], []),
    ]
    for decide, same, other in cases:
        derivation = Derivation()
        n = derivation.root(40)
        decide(n)
        function = program(derivation)
        assert [function(number) for number in same] == [()] * len(same)
        assert [function(number) for number in other] == [None] * len(other)
        # It decides as for a plain number.
        assert decide is varies or np.array_equal(plain(decide(n)), decide(40))


def test_a_derived_number_is_a_number_for_all_who_ask() -> None:
    derivation = Derivation()
    n = derivation.root(40)
    assert isinstance(n, int)
    assert isinstance(1 / n, float)
    assert varies(n, 3)
    assert not varies(n - 39)
    assert (n, 2) == (40, 2)
    assert np.int64(3) * n == 120
    assert is_derived(np.int64(3) * n)
    # The same number computed in the same way is the same object.
    assert n * 3 + 1 is n * 3 + 1
    derivation.close()
    before = derivation.decisions
    assert n < 41
    assert list(range(n))
    assert varies(n * 2)
    assert derivation.decisions == before


# -- plans --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("SGD", "Adam"))
def test_plans_for_new_batches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 63 further batches most are planned by an earlier plan, and just as they would be anew."""
    seen = Compared(monkeypatch)
    step = mlp(getattr(torch.optim, name))
    for _ in range(3):
        step(*rows(64)).item()
    for batch in range(1, 64):
        step(*rows(batch)).item()
    assert seen.reused >= 44
    assert max(map(len, _patterns())) <= 14


def _patterns() -> list[list[Any]]:
    """The patterns that were made, by structure and target."""
    return [made for marks in structure.known.marks() for made in marks.patterns.values()]


@pytest.mark.parametrize("name", MODELS)
def test_plans_for_new_sizes_of_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Compared(monkeypatch)
    model = made(name)
    step = training(model, cross_entropy, torch.optim.SGD(model.parameters(), lr=0.01))
    random = np.random.RandomState(3)
    longest = 24 if name in ("lstm", "gru", "elman") else 200
    sizes = [(4, 20), (9, 20), *[(4, n) for n in random.randint(2, longest, 20).tolist()]]
    sizes += [(n, 20) for n in random.randint(2, 60, 30).tolist()]
    for size in sizes:
        step(*batch_of(name, *size)).item()
    assert seen.reused >= 8, (seen.reused, seen.anew)


def extents_of(graph: Graph) -> list[int]:
    """The extents of a graph's inputs that may vary, each once."""
    return sorted({n for spec in graph.inputs for n in spec.shape if n > 1})


def check_scaled(seed: int, isa: str = "avx2") -> tuple[int, int]:
    """(plans made of earlier ones, plans made anew) for a random graph with other extents."""
    graph = wide_graph(seed)[0]
    on = target(isa)
    counts = [0, 0]
    for old in extents_of(graph):
        structures = Structures()
        replan.lowered(graph, structures, on)
        for new in (old + 1, old + 13, 2 * old + 1, 3 * old + 5, 6 * old, 64, 200, 31):
            other = scaled(graph, old, new)
            if other is None or other.key == graph.key:
                continue
            before = replan.reused
            made = replan.lowered(other, structures, on)
            counts[replan.reused == before] += 1
            if structures.find(other) is None or replan.reused == before:
                continue
            wanted = written(anew(other, structures, on), on)
            assert written(made, on) == wanted, (seed, old, new)
    return counts[0], counts[1]


def test_plans_of_random_graphs() -> None:
    """Some hundreds of graphs with one extent changed wherever it occurs."""
    counts = np.sum([check_scaled(seed) for seed in range(60)], axis=0)
    assert counts[0] >= 100, counts


# -- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("mean", "transformer", "images"))
def test_the_results_are_those_of_programs_made_for_each_size(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses() -> list[float]:
        model = made(name)
        step = training(model, cross_entropy, torch.optim.SGD(model.parameters(), lr=0.01))
        torch.manual_seed(2)
        sizes = [(4, 20), (7, 20), (12, 20), (5, 20), (13, 20), (7, 31), (7, 44), (11, 37)]
        return [step(*batch_of(name, *size)).item() for size in sizes]

    monkeypatch.setenv("PLAIT_EXTENTS", "static")
    static = losses()
    monkeypatch.setenv("PLAIT_EXTENTS", "auto")
    before = replan.reused
    assert losses() == static
    assert replan.reused > before + 1


def test_results_of_random_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of earlier plans compute the bits of those made for one size."""
    reused = 0
    for seed in range(8):
        graph = wide_graph(seed)[0]
        old = extents_of(graph)[-1]
        random = np.random.RandomState(seed)
        CompiledGraph(graph)
        for new in (old + 1, old + 13, 2 * old + 1):
            other = scaled(graph, old, new)
            if other is None:
                continue
            arrays = [
                np.asarray(random.uniform(-1, 1, spec.shape) > 0, spec.dtype.numpy)
                if spec.dtype.kind in "iub"
                else np.asarray(random.uniform(-1, 1, spec.shape), spec.dtype.numpy)
                for spec in other.inputs
            ]
            program = CompiledGraph(other)
            reused += program.reused
            with monkeypatch.context() as static:
                static.setenv("PLAIT_EXTENTS", "static")
                wanted = CompiledGraph(other).run(arrays)
            assert_same_bits(wanted, program.run(arrays))
    assert reused >= 6


def test_patterns_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A length of a recurrent layer is a list of launches of its own: no other size is served."""
    seen = Compared(monkeypatch)
    model = made("lstm")
    step = training(model, cross_entropy, torch.optim.SGD(model.parameters(), lr=0.01))
    for length in range(4, 88, 4):
        step(*batch_of("lstm", 3, length)).item()
    assert seen.reused == 0
    (patterns,) = _patterns()
    kept = [pattern.steps for pattern in patterns]
    assert kept == sorted(kept, reverse=True)
    assert sum(kept) <= replan.MOST_STEPS
    assert len(kept) < 20
    # Another batch of one length is, once it is known that batches vary.
    step(*batch_of("lstm", 6, 64)).item()
    step(*batch_of("lstm", 7, 64)).item()
    assert seen.reused >= 1


def test_large_transposes_of_many_sizes_go_past_the_caches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where their lines are whole: decided anew for each size, by plans that are used again."""
    monkeypatch.setattr(copies, "STREAM_BYTES", 1 << 12)
    kinds, before = [], replan.reused
    sizes = ((64, 64), (128, 96), (96, 160), (99, 160), (32, 31), (160, 101), (64, 80))
    for down, across in sizes:
        spec = Spec((down, across), dtypes.float32)
        native = CompiledGraph(trace(lambda x: (TRANSPOSE(x, axes=(1, 0)),), [spec]))
        kinds += [step.kernel.kind for step in native.steps if isinstance(step, Launch)]
        x = np.arange(down * across, dtype=np.float32).reshape(down, across)
        np.testing.assert_array_equal(native.run([x])[0], x.T)
    small = ["tile_copy"]
    assert kinds == [*["stream_tiles"] * 3, *small * 2, "stream_tiles", "stream_tiles"]
    assert replan.reused > before
