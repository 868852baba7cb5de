"""Extents at run time: which vary, that no bit depends on it, and how few kernels serve them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait.core.codegen.kernel import Launch
from plait.core.compiler import structure
from plait.core.compiler.structure import Structures, all_marked
from plait.core.ir import dtypes
from plait.core.ir.derived import Derivation
from plait.core.ir.extents import Varying, VaryingFloat, blank, constants_that_vary, varies, varying
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.ir.text import to_text
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import ADD, DIV, MUL
from plait.core.ops.math import RELU
from plait.core.ops.reduce import MEAN, SUM
from plait.core.ops.softmax import SOFTMAX
from plait.core.ops.source import constant
from plait.core.ops.view import BROADCAST, RESHAPE
from plait.core.runtime import tiers
from plait.core.runtime.compiled import CompiledGraph
from plait.core.runtime.config import flag
from tests.compiler.extent_cases import (
    ISAS,
    MODELS,
    Watch,
    assert_same_bits,
    batch_of,
    cross_entropy,
    gradients,
    made,
    mlp,
    on,
    rows,
    training,
)
from tests.compiler.wide_graphs import wide_graph

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is the first to meet its structures."""
    monkeypatch.setattr(structure, "known", Structures())


def layer(batch: int, inner: int = 20, outer: int = 30) -> Graph:
    """A linear layer and the mean of its results over the batch."""

    def function(x: Any, w: Any, b: Any) -> Any:
        y = DOT_GENERAL(x, w, contract=((1,), (1,)), batch=((), ()))
        y = RELU(ADD(y, BROADCAST(b, shape=(batch, outer))))
        return y, MEAN(y, axes=(0,))

    shapes = ((batch, inner), (outer, inner), (outer,))
    return trace(function, [Spec(shape, dtypes.float32) for shape in shapes])


def marked(met: Structures, graph: Graph) -> Graph:
    """The graph as it would be planned."""
    marks = met.find(graph)
    return graph if marks is None else marks.marked(graph, Derivation())


# -- marks ------------------------------------------------------------------------------------


def test_a_varying_number_is_the_number_and_what_is_computed_from_it_varies() -> None:
    n = Varying(64)
    assert n == 64
    assert hash(n) == hash(64)
    assert f"{n} {(n, 2)}" == "64 (64, 2)"
    for result in (
        n + 1,
        1 + n,
        n - 1,
        1 - n,
        n * 3,
        3 * n,
        n // 4,
        1000 // n,
        n % 60,
        100 % n,
        -n,
    ):
        assert type(result) is Varying
    assert all(type(part) is Varying for part in divmod(n, 27))
    assert type(1 / n) is type(n / 3) is type(n * 0.5) is VaryingFloat
    assert (1 / n, n // 4, divmod(n, 27)) == (1 / 64, 16, (2, 10))
    # Kernels are others where there is nothing, or no axis.
    assert type(n // 64) is type(n // 65) is int
    assert not varies(varying(1), varying(0), varying(True), varying(0.0), varying(float("inf")))
    assert blank((n, 3, (n * 1.5, "x"))) == ("n", 3, ("n", "x"))
    assert constants_that_vary((3, (n, "x"), (2 * n,))) == [64, 128]


def test_the_first_extents_are_constants_and_those_that_differ_then_are_marked() -> None:
    met = Structures()
    first, second, third = layer(64), layer(40), layer(7)
    assert marked(met, first) is first
    again = marked(met, second)
    assert again == second
    assert [[varies(n) for n in spec.shape] for spec in again.inputs] == [
        [True, False],
        [False, False],
        [False],
    ]
    (broadcast,) = [made for made in again.instructions if made.op is BROADCAST]
    assert [varies(n) for n in broadcast.attrs["shape"]] == [True, False]
    assert varies(marked(met, third).inputs[0].shape[0])
    assert marked(met, layer(64)) == first
    assert not varies(*marked(met, layer(64)).inputs[0].shape)


def test_what_has_differed_once_stays_marked() -> None:
    met = Structures()

    def pair(batch: int, length: int) -> Graph:
        return trace(lambda x: RELU(x), [Spec((batch, length, 8), dtypes.float32)])

    marked(met, pair(4, 10))
    marked(met, pair(4, 11))
    assert [varies(n) for n in marked(met, pair(5, 10)).inputs[0].shape] == [True, True, False]


def test_zeros_of_two_signs_are_two_numbers() -> None:
    """Places that have always had one number share a mark, but 0.0 is not -0.0 there."""
    structures = Structures()

    def quotients(first: float, second: float) -> Graph:
        return trace(
            lambda a, b: (DIV(a, constant(first, a)), DIV(b, constant(second, b))),
            [Spec((2,), dtypes.float32), Spec((3,), dtypes.float32)],
        )

    for number in (2.0, 3.0):
        structures.find(quotients(number, number))
    graph = quotients(0.0, -0.0)
    marks = structures.find(graph)
    assert marks is not None
    # By its text: 0.0 equals -0.0.
    assert to_text(marks.marked(graph, Derivation())) == to_text(graph)


def test_other_structures_are_told_apart() -> None:
    met = Structures()
    marked(met, layer(64))
    for other in (
        trace(lambda x: SUM(x, axes=(0,)), [Spec((6, 4), dtypes.float32)]),
        trace(lambda x: SUM(x, axes=(1,)), [Spec((7, 4), dtypes.float32)]),  # another axis
        trace(lambda x: SUM(x, axes=(0,)), [Spec((7, 4), dtypes.float64)]),  # another dtype
        layer(32, 10, 12),  # a layer of another size has (batch, inner, outer) and more that differ
    ):
        graph = marked(met, other)
        if other.inputs[0].shape[1] != 10:
            assert graph is other
    # Four extents that all differ are another model.
    four = lambda a, b: trace(  # noqa: E731 - two graphs of one line
        lambda x, y: ADD(SUM(x, axes=(0, 1)), SUM(y, axes=(0, 1))),
        [Spec(a, dtypes.float32), Spec(b, dtypes.float32)],
    )
    marked(met, four((2, 3), (4, 5)))
    other = four((6, 7), (8, 9))
    assert marked(met, other) is other


def test_the_flag_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers() -> set[bool]:
        steps = CompiledGraph(layer(40)).steps
        return {varies(*step.numbers) for step in steps if isinstance(step, Launch)}

    monkeypatch.setenv("PLAIT_EXTENTS", "run")
    assert numbers() == {True}
    monkeypatch.setenv("PLAIT_EXTENTS", "static")
    assert numbers() == {False}
    monkeypatch.setenv("PLAIT_EXTENTS", "never")
    with pytest.raises(ValueError, match="'auto', 'static' or 'run'"):
        CompiledGraph(layer(40))
    monkeypatch.delenv("PLAIT_EXTENTS")
    assert flag("PLAIT_EXTENTS") == "auto"


# -- no bit depends on it -----------------------------------------------------------------------


def both_ways(
    graph: Graph, arrays: list[np.ndarray], on_target: Any, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The results with all extents as constants, and with all of them at run time."""
    results = []
    for which in ("static", "run"):
        monkeypatch.setenv("PLAIT_EXTENTS", which)
        program = CompiledGraph(graph, on=on_target)
        results.append(program.run([array.copy() for array in arrays]))
    return results[0], results[1]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("seed", range(300, 306))
def test_random_graphs_have_the_same_bits(
    seed: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.errstate(all="ignore"):
        graph, arrays = wide_graph(seed, steps=12)
        assert_same_bits(*both_ways(graph, arrays, on(isa), monkeypatch))


#: (rows, steps, columns): around tiles and their rests, cut and streamed K, one column, few rows.
PRODUCTS = (
    (2, 65, 33), (4, 784, 20), (5, 784, 128), (13, 20, 10), (14, 64, 40), (15, 300, 48),
    (23, 9, 65), (24, 600, 31), (25, 1100, 33), (47, 33, 1), (1, 47, 300), (160, 70, 100),
    (333, 17, 129), (3, 3000, 200),
)  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("sizes", PRODUCTS, ids=str)
@pytest.mark.parametrize("left", ("mk", "km"))
@pytest.mark.parametrize("right", ("kn", "nk"))
@pytest.mark.parametrize("batch", (0, 3))
def test_products_have_the_same_bits(
    sizes: tuple[int, int, int],
    left: str,
    right: str,
    batch: int,
    isa: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    m, k, n = sizes
    lead = (batch,) if batch else ()
    a = (*lead, *((m, k) if left == "mk" else (k, m)))
    b = (*lead, *((k, n) if right == "kn" else (n, k)))
    axes = (0,) if batch else ()
    contract = ((left.index("k") + len(lead),), (right.index("k") + len(lead),))

    def function(x: Any, w: Any, bias: Any) -> Any:
        y = DOT_GENERAL(x, w, contract=contract, batch=(axes, axes))
        return RELU(ADD(y, BROADCAST(bias, shape=(*lead, m, n))))

    graph = trace(function, [Spec(shape, dtypes.float32) for shape in (a, b, (n,))])
    random = np.random.RandomState(m)
    arrays = [random.uniform(-1, 1, s.shape).astype(np.float32) for s in graph.inputs]
    static, run = both_ways(graph, arrays, on(isa), monkeypatch)
    assert_same_bits(static, run)
    wanted = np.einsum(
        f"{'b' * bool(batch)}{left},{'b' * bool(batch)}{right}->{'b' * bool(batch)}mn", *arrays[:2]
    )
    # Sums of k products below 1, each off by the sum's size times 6e-8 at most.
    np.testing.assert_allclose(run[0], np.maximum(wanted + arrays[2], 0), rtol=1e-6, atol=2e-7 * k)


@pytest.mark.parametrize(("isa", "tile"), [("avx2", (1, 4)), ("avx512", (1, 8))])
def test_one_row_by_columns_that_vary_takes_wide_tiles(
    isa: str, tile: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_target = on(isa)
    monkeypatch.setenv("PLAIT_EXTENTS", "auto")
    monkeypatch.setattr(structure, "known", Structures())

    def function(x: Any, w: Any) -> Any:
        return RELU(DOT_GENERAL(x, w, contract=((1,), (0,)), batch=((), ())))

    tiles = []
    for columns in (96, 70, 130, 200):
        graph = trace(function, [Spec(s, dtypes.float32) for s in ((1, 50), (50, columns))])
        random = np.random.RandomState(columns)
        arrays = [random.uniform(-1, 1, s.shape).astype(np.float32) for s in graph.inputs]
        program = CompiledGraph(graph, on=on_target)
        wanted = np.maximum(arrays[0] @ arrays[1], 0)
        np.testing.assert_allclose(program.run(arrays)[0], wanted, rtol=1e-6, atol=1e-5)
        tiles += [s.kernel.key[10] for s in program.steps if isinstance(s, Launch)]
    assert tiles[1:] == [tile] * 3


def test_rows_are_copied_where_their_length_varies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first product of a structure is made for its sizes, and reads rows where they lie; later
    ones copy them, so that one form serves all lengths, multiples of 2 KB included."""
    monkeypatch.setenv("PLAIT_EXTENTS", "auto")
    monkeypatch.setattr(structure, "known", Structures())

    def function(x: Any, w: Any) -> Any:
        return DOT_GENERAL(x, w, contract=((1,), (0,)), batch=((), ()))

    staged = {}
    for steps in (520, 1024, 2048, 1000, 1536):
        graph = trace(function, [Spec(s, dtypes.float32) for s in ((60, steps), (steps, 256))])
        random = np.random.RandomState(steps)
        arrays = [random.uniform(-1, 1, s.shape).astype(np.float32) for s in graph.inputs]
        program = CompiledGraph(graph, on=on("avx512"))
        # Sums of up to 2048 products below 1, each off by the sum's size times 6e-8 at most.
        wanted = arrays[0].astype(np.float64) @ arrays[1]
        np.testing.assert_allclose(program.run(arrays)[0], wanted, rtol=1e-6, atol=2e-4)
        (product,) = [
            s.kernel for s in program.steps if isinstance(s, Launch) and s.kernel.kind == "gemm"
        ]
        staged[steps] = product.key[4]
    assert staged == {520: False, 1024: True, 2048: True, 1000: True, 1536: True}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("width", (2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129))
def test_rows_have_the_same_bits(width: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def function(x: Any, y: Any) -> Any:
        z = SOFTMAX(MUL(x, y), axis=1)
        return z, SUM(z, axes=(0,)), MEAN(RESHAPE(z, shape=(5 * width,)), axes=(0,))

    graph = trace(function, [Spec((5, width), dtypes.float32)] * 2)
    random = np.random.RandomState(width)
    arrays = [random.uniform(-2, 2, (5, width)).astype(np.float32) for _ in range(2)]
    static, run = both_ways(graph, arrays, on(isa), monkeypatch)
    assert_same_bits(static, run)
    scores = np.exp(arrays[0] * arrays[1])
    wanted = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(run[0], wanted, rtol=2e-6)
    np.testing.assert_allclose(run[2], [1 / width], rtol=2e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("batch", "length"), [(2, 33), (7, 5), (17, 3), (33, 17)])
@pytest.mark.parametrize("name", MODELS)
def test_models_have_the_same_bits(
    name: str, batch: int, length: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(isa)
    monkeypatch.setenv("PLAIT_ISA", isa)
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    results = []
    for which in ("static", "run"):
        monkeypatch.setenv("PLAIT_EXTENTS", which)
        results.append(gradients(name, batch, length))
    assert_same_bits(*results)
    assert all(np.isfinite(part).all() for part in results[0])


@pytest.mark.parametrize(("side", "isa"), [("end", "avx512"), ("start", "avx2")])
def test_random_graphs_between_guard_pages(side: str, isa: str) -> None:
    on(isa)
    flags = {"PLAIT_EXTENTS": "run", "PLAIT_GUARD": side, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.compiler.fuzz", "--isa", isa]
    done = subprocess.run(
        [*command, "--first", "700", "--count", "12"],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["12 graphs, 0 finds"], done.stdout + done.stderr


# -- how few kernels serve ------------------------------------------------------------------------


def test_the_dumps_of_a_layer_before_and_after() -> None:
    """The product's kernel as a constant program has it, and as all further batches have it."""

    def product(batch: int) -> Launch:
        steps = CompiledGraph(layer(batch), on=on("avx2")).steps
        (found,) = [s for s in steps if isinstance(s, Launch) and s.kernel.kind == "gemm"]
        return found

    first, second, third = product(64), product(40), product(90)
    assert first.kernel.key[8:12] == ((6,), False, (6, 2), 8)
    assert second.kernel.key[8:12] == ((3, 6), False, (6, 2), 8)
    assert second.kernel == third.kernel != first.kernel
    # The mean's 1/N is no constant of the code either.
    assert all(not constants_that_vary(s.kernel.key) for s in CompiledGraph(layer(55)).steps)


@pytest.mark.parametrize("name", ("SGD", "Adam"))
def test_a_new_batch_size_compiles_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    watch = Watch(monkeypatch)
    step = mlp(getattr(torch.optim, name))
    for _ in range(3):  # the first steps of an optimizer make its state
        step(*rows(64)).item()
    first = set(watch.seen)
    assert watch.new(lambda: [step(*rows(40)).item() for _ in range(2)]) <= 6
    for batch in (7, 12, 25, 32, 33, 63, 65, 100, 128, 200):
        assert watch.new(lambda batch=batch: step(*rows(batch)).item()) == 0, batch
    # Few rows are dot products; they share kernels, too.
    assert watch.new(lambda: step(*rows(4)).item()) <= 3
    assert watch.new(lambda: [step(*rows(batch)).item() for batch in (2, 3)]) == 0
    assert watch.made_for_one(first) == []


def settled(
    name: str, sizes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[int], list[Any]]:
    """(kernels of the first size, new ones of each further size, those made for one size)."""
    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    watch = Watch(monkeypatch)
    model = made(name)
    step = training(model, cross_entropy, torch.optim.SGD(model.parameters(), lr=0.01))
    watch.new(lambda: step(*batch_of(name, 4, 20)).item())
    first = set(watch.seen)
    new = [watch.new(lambda size=size: step(*batch_of(name, *size)).item()) for size in sizes]
    return len(first), new, watch.made_for_one(first)


@pytest.mark.parametrize("name", ("mean", "lstm", "gru", "transformer", "by_hand"))
def test_random_lengths_settle(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths 1 to 512 at random: a bounded number of kernels, most of them at the second."""
    random = np.random.RandomState(5)
    most = 60 if name in ("lstm", "gru") else 512  # a launch per step: long ones take long to plan
    lengths = [33, 17, *random.randint(2, most + 1, 14).tolist(), most, 2, 1]
    first, new, made_for_one = settled(name, [(4, n) for n in lengths], monkeypatch)
    assert sum(new) <= BOUNDS[name], (first, new)
    assert made_for_one == []
    # Once all sides of every threshold have been seen, nothing is new.
    again = [n for n in random.randint(2, most + 1, 6).tolist() if n not in lengths]
    assert settled(name, [(4, n) for n in (*lengths, *again)], monkeypatch)[1][-len(again) :] == [
        0
    ] * len(again)


#: Kernels that all lengths need besides those of the first one, of which there are 16 to 47. Found
#: on AVX-512 and AVX2: 4, 7, 6, 39 and 69 at most; of the last two, 15 and 18 for a length of 1.
BOUNDS = {"mean": 4, "lstm": 7, "gru": 6, "transformer": 39, "by_hand": 70}


def test_batches_of_images_share_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(n, 0) for n in (7, 12, 20, 25, 31, 5)]
    _, new, made_for_one = settled("images", sizes, monkeypatch)
    assert new[1:] == [0] * 5
    assert made_for_one == []


def test_a_program_known_for_other_extents_is_native_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work of some megaflops is worth a plan, not a compilation."""
    monkeypatch.setenv("PLAIT_BACKEND", "auto")
    for name in ("_done", "_refused"):
        monkeypatch.setattr(tiers, name, type(getattr(tiers, name))())

    def native(batch: int) -> bool:
        return tiers.executor_of(layer(batch, 100, 50)) is tiers._compiled

    assert not native(400)
    CompiledGraph(layer(300, 100, 50))
    assert native(400)
    assert not native(2)  # too little work for a plan
    assert tiers.native_program(layer(401, 100, 50)) is None
    monkeypatch.setenv("PLAIT_EXTENTS", "static")
    assert not native(402)


def test_the_results_are_those_of_programs_made_for_each_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def losses() -> list[float]:
        step = mlp(torch.optim.SGD)
        return [step(*rows(batch)).item() for batch in (64, 64, 40, 3, 90, 40, 17)]

    monkeypatch.setenv("PLAIT_BACKEND", "compiled")
    monkeypatch.setenv("PLAIT_EXTENTS", "static")
    static = losses()
    monkeypatch.setenv("PLAIT_EXTENTS", "auto")
    assert losses() == static


def test_all_marked_marks_shapes_and_what_follows() -> None:
    graph = all_marked(layer(40))
    assert graph == layer(40)
    assert all(varies(n) for spec in graph.inputs for n in spec.shape)


def test_layers_of_many_sizes_are_not_all_remembered() -> None:
    """Graphs that differ in more extents than a batch and lengths are layers of other sizes."""
    structures = structure.Structures()
    for n in range(2, 60):
        graph = trace(RELU, [Spec((n, n + 61, n + 122, n + 183), dtypes.float32)])
        assert structures.find(graph) is None
    (alike,) = structures._met.values()
    assert len(alike) == structure._MOST_ALIKE
