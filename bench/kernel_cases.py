"""The cases of `bench.kernels`: single operations and short chains, by group.

A case is a function of a library (PyTorch or Plait, whose names are the same) and of tensors; where
NumPy has the operation too, a function of its arrays. Shapes are those of common networks at small
batches, and arrays of 1 MB (a second-level cache), 32 MB and, on demand, 1 GB (memory).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One row.

    inputs: shapes of float32 tensors; (shape, bound): int64 below a bound.
    apply: (library, *tensors) -> tensor.
    mode: "forward"; "step": forward and the gradients of all inputs; or "gradient": that of the
        input numbered `wrt` alone, with the forward pass done before the clock starts.
    prepare: (library, tensors) -> (function of nothing, leaves), in place of `apply`.
    picks: arrays -> (one of them, rows of it that are read, bytes of each that are), where the
        others are not.
    """

    name: str
    inputs: Sequence[Any]
    apply: Callable[..., Any] | None = None
    mode: str = "forward"
    wrt: int = 0
    plain: Callable[..., Any] | None = None
    prepare: Callable[..., Any] | None = None
    picks: Callable[..., Any] | None = None

    def arrays(self) -> list[np.ndarray]:
        """The inputs, from a fixed seed."""
        random = np.random.RandomState(0)
        return [_draw(random, given) for given in self.inputs]


def _draw(random: np.random.RandomState, given: Any) -> np.ndarray:
    if given and isinstance(given[0], tuple):
        shape, bound = given
        return random.randint(0, bound, shape).astype(np.int64)
    return random.standard_normal(given).astype(np.float32)


#: How an operand that is transposed lies in memory, and what is made of it.
_FORMS = {
    "": (False, False),
    ", right transposed": (False, True),
    ", left transposed": (True, False),
    ", both transposed": (True, True),
}


def _product(
    name: str, left: Shape, right: Shape, turned: tuple[bool, bool] = (False, False)
) -> Case:
    """left @ right, of which those that are turned are given transposed."""
    shapes = [
        (*shape[:-2], shape[-1], shape[-2]) if flip else shape
        for shape, flip in zip((left, right), turned)
    ]

    def operands(given: Sequence[Any]) -> list[Any]:
        return [x.swapaxes(-1, -2) if flip else x for x, flip in zip(given, turned)]

    def apply(lib: Any, *given: Any) -> Any:
        return lib.matmul(*operands(given))

    return Case(name, shapes, apply, plain=lambda *given: np.matmul(*operands(given)))


def _products(sizes: Sequence[Shape]) -> Iterator[Case]:
    """Products of m x k by k x n, in all transpositions."""
    for m, k, n in sizes:
        for form, turned in _FORMS.items():
            yield _product(f"{m} x {k} x {n}{form}", (m, k), (k, n), turned)


def _gemm(huge: bool) -> Iterator[Case]:
    """The products of the benchmark's networks."""
    yield from _products(
        (
            (64, 784, 128),
            (64, 128, 64),
            (1024, 384, 1152),
            (1024, 384, 1536),
            (1024, 1536, 384),
        )
    )


def _gemm_square(huge: bool) -> Iterator[Case]:
    yield from _products([(1 << n,) * 3 for n in range(6, 13)])


def _gemm_skinny(huge: bool) -> Iterator[Case]:
    sides = (512, 1024, 2048, 4096)
    yield from _products([(m, side, side) for m in (1, 8, 32, 100) for side in sides])


def _gemm_narrow(huge: bool) -> Iterator[Case]:
    yield from _products([(m, 512, n) for m in (512, 4096) for n in (1, 8, 10, 24, 48)])


def _gemm_odd(huge: bool) -> Iterator[Case]:
    yield from _products([(n,) * 3 for n in (17, 63, 127, 1000)])


def _gemm_batched(huge: bool) -> Iterator[Case]:
    for count, m, k, n in (
        (64, 64, 64, 64),
        (64, 128, 128, 128),
        (64, 256, 256, 256),
        (48, 256, 64, 256),
        (96, 128, 32, 128),
    ):
        for form, turned in _FORMS.items():
            name = f"{count} of {m} x {k} x {n}{form}"
            yield _product(name, (count, m, k), (count, k, n), turned)


#: (batch, channels, extent, filters, kernel, stride, padding, groups)
_CONVS = {
    "conv_resnet18": (
        (8, 3, 32, 64, 3, 1, 1, 1),
        (8, 64, 32, 64, 3, 1, 1, 1),
        (8, 64, 32, 128, 3, 2, 1, 1),
        (8, 128, 16, 128, 3, 1, 1, 1),
        (8, 256, 8, 256, 3, 1, 1, 1),
        (8, 64, 32, 128, 1, 2, 0, 1),
        (8, 512, 4, 512, 3, 1, 1, 1),
    ),
    "conv_resnet50": (
        (1, 3, 224, 64, 7, 2, 3, 1),
        (1, 64, 56, 256, 1, 1, 0, 1),
        (1, 256, 56, 64, 1, 1, 0, 1),
        (1, 64, 56, 64, 1, 1, 0, 1),
        (1, 64, 56, 64, 3, 1, 1, 1),
        (1, 256, 56, 128, 1, 1, 0, 1),
        (1, 128, 56, 128, 3, 2, 1, 1),
        (1, 128, 28, 512, 1, 1, 0, 1),
        (1, 512, 28, 128, 1, 1, 0, 1),
        (1, 256, 56, 512, 1, 2, 0, 1),
        (1, 128, 28, 128, 3, 1, 1, 1),
        (1, 256, 28, 256, 3, 2, 1, 1),
        (1, 256, 14, 1024, 1, 1, 0, 1),
        (1, 1024, 14, 256, 1, 1, 0, 1),
        (1, 256, 14, 256, 3, 1, 1, 1),
        (1, 1024, 14, 512, 1, 1, 0, 1),
        (1, 512, 14, 512, 3, 2, 1, 1),
        (1, 512, 7, 2048, 1, 1, 0, 1),
        (1, 2048, 7, 512, 1, 1, 0, 1),
        (1, 512, 7, 512, 3, 1, 1, 1),
    ),
    "conv_mobilenet": (
        (1, 3, 224, 32, 3, 2, 1, 1),
        (1, 32, 112, 32, 3, 1, 1, 32),
        (1, 32, 112, 16, 1, 1, 0, 1),
        (1, 16, 112, 96, 1, 1, 0, 1),
        (1, 96, 112, 96, 3, 2, 1, 96),
        (1, 144, 56, 144, 3, 1, 1, 144),
        (1, 144, 56, 24, 1, 1, 0, 1),
        (1, 144, 56, 144, 3, 2, 1, 144),
        (1, 192, 28, 32, 1, 1, 0, 1),
        (1, 384, 14, 384, 3, 1, 1, 384),
        (1, 64, 14, 384, 1, 1, 0, 1),
        (1, 384, 14, 96, 1, 1, 0, 1),
        (1, 960, 7, 960, 3, 1, 1, 960),
        (1, 160, 7, 960, 1, 1, 0, 1),
        (1, 960, 7, 320, 1, 1, 0, 1),
        (1, 320, 7, 1280, 1, 1, 0, 1),
    ),
    "conv_small": (
        (32, 1, 28, 6, 3, 1, 0, 1),
        (32, 6, 13, 16, 3, 1, 0, 1),
        (128, 1, 28, 32, 3, 1, 0, 1),
    ),
}


def _convolutions(group: str) -> Callable[[bool], Iterator[Case]]:
    def cases(huge: bool) -> Iterator[Case]:
        for n, c, e, k, r, stride, padding, groups in _CONVS[group]:
            shapes = ((n, c, e, e), (k, c // groups, r, r))
            name = f"{n} x {c} x {e}^2, {k} of {r}^2, stride {stride}"
            if groups > 1:
                name += f", {groups} groups"

            def conv(
                lib: Any, x: Any, w: Any, s: int = stride, p: int = padding, g: int = groups
            ) -> Any:
                return lib.nn.functional.conv2d(x, w, None, s, p, 1, g)

            yield Case(name, shapes, conv)
            if c > 3:  # images need no gradient
                yield Case(f"{name}: input gradient", shapes, conv, "gradient", 0)
            yield Case(f"{name}: weight gradient", shapes, conv, "gradient", 1)

    return cases


def _both(name: str, inputs: Sequence[Any], apply: Callable[..., Any]) -> Iterator[Case]:
    yield Case(name, inputs, apply)
    yield Case(f"{name}: with gradients", inputs, apply, "step")


def _rows(huge: bool) -> tuple[int, ...]:
    """Numbers of rows of 4 KB that make arrays of 32 MB and 1 GB."""
    return (8192, 262144) if huge else (8192,)


def _softmax(huge: bool) -> Iterator[Case]:
    large = [(rows, 1024) for rows in _rows(huge)]
    for shape in ((64, 10), (256, 1024), (24, 256, 256), *large):
        yield from _both(f"{shape}", (shape,), lambda lib, x: lib.softmax(x, -1))
    for rows, classes in ((64, 10), (1024, 65), *large):
        yield from _both(
            f"cross entropy {(rows, classes)}",
            ((rows, classes), ((rows,), classes)),
            lambda lib, x, labels: lib.nn.functional.cross_entropy(x, labels),
        )


def _layer_norm(huge: bool) -> Iterator[Case]:
    large = [(rows, 1024) for rows in _rows(huge)]
    for rows, width in ((64, 128), (1024, 384), (128, 768), (256, 1024), *large):
        yield from _both(
            f"({rows}, {width})",
            ((rows, width), (width,), (width,)),
            lambda lib, x, w, b: lib.nn.functional.layer_norm(x, w.shape, w, b),
        )


def _batch_norm(huge: bool) -> Iterator[Case]:
    large = [(rows // 256, 64, 64, 64) for rows in _rows(huge)]
    for shape in ((64, 128), (8, 64, 32, 32), (8, 256, 8, 8), (8, 512, 4, 4), *large):
        yield from _both(
            f"{shape}",
            (shape, (shape[1],), (shape[1],)),
            lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True),
        )


def _attention(huge: bool) -> Iterator[Case]:
    for shape, causal in (((4, 6, 256, 64), True), ((8, 12, 128, 32), False)):

        def attend(lib: Any, q: Any, k: Any, v: Any, causal: bool = causal) -> Any:
            attention = lib.nn.functional.scaled_dot_product_attention
            return attention(q, k, v, is_causal=causal)

        yield from _both(f"{shape}{', causal' if causal else ''}", (shape,) * 3, attend)


def _lstm(huge: bool) -> Iterator[Case]:
    def prepare(lib: Any, tensors: Sequence[Any]) -> Any:
        x, *weights = tensors
        module = lib.nn.LSTM(x.shape[-1], weights[1].shape[1], batch_first=True)
        names = [name for name, _ in module.named_parameters()]
        for name, weight in zip(names, weights):
            values = weight.numpy() * np.float32(weight.shape[-1] ** -0.5)
            setattr(module, name, lib.nn.Parameter(lib.tensor(values)))
        return lambda: module(x)[0], [x, *module.parameters()]

    for n, t, given, hidden in ((32, 50, 32, 256), (16, 28, 28, 64)):
        inputs = ((n, t, given), (4 * hidden, given), (4 * hidden, hidden)) + 2 * ((4 * hidden,),)
        name = f"batch {n}, {t} steps, {given} -> {hidden}"
        yield Case(name, inputs, prepare=prepare)
        yield Case(f"{name}: with gradients", inputs, prepare=prepare, mode="step")


def _sides(huge: bool) -> dict[str, int]:
    """Sides of square float32 arrays by their size."""
    return {"1 MB": 512, "32 MB": 2896, **({"1 GB": 16384} if huge else {})}


def _copies(huge: bool) -> Iterator[Case]:
    """What memory gives: the measure of the groups after this."""

    def copy(x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)
        np.copyto(result, x)
        return result

    for size, side in _sides(huge).items():
        yield Case(f"copy, {size}", ((side, side),), lambda lib, x: x.clone(), plain=copy)


def _elementwise(huge: bool) -> Iterator[Case]:
    for size, side in _sides(huge).items():
        x = (side, side)
        row = (side,)
        for name, inputs, apply, plain in (
            ("x + y", (x, x), lambda lib, x, y: x + y, lambda x, y: x + y),
            (
                "relu(x * 2 + row)",
                (x, row),
                lambda lib, x, r: lib.relu(x * 2 + r),
                lambda x, r: np.maximum(x * np.float32(2) + r, 0),
            ),
            ("exp(x)", (x,), lambda lib, x: lib.exp(x), np.exp),
            ("tanh(x)", (x,), lambda lib, x: lib.tanh(x), np.tanh),
            ("gelu(x)", (x,), lambda lib, x: lib.nn.functional.gelu(x), None),
            (
                "sigmoid(x) * tanh(y)",
                (x, x),
                lambda lib, x, y: lib.sigmoid(x) * lib.tanh(y),
                lambda x, y: np.tanh(y) / (1 + np.exp(-x)),
            ),
            (
                "where(x > 0, x, y / 2)",
                (x, x),
                lambda lib, x, y: lib.where(x > 0, x, y / 2),
                lambda x, y: np.where(x > 0, x, y / 2),
            ),
        ):
            yield Case(f"{name}, {size}", inputs, apply, plain=plain)


def _reductions(huge: bool) -> Iterator[Case]:
    for size, side in _sides(huge).items():
        inputs = ((side, side),)
        for axis in (0, 1):
            for name in ("sum", "amax", "var", "argmax"):
                plain = getattr(np, {"amax": "max"}.get(name, name))
                options = {"ddof": 1} if name == "var" else {}
                yield Case(
                    f"{name} along {axis}, {size}",
                    inputs,
                    lambda lib, x, name=name, axis=axis: getattr(lib, name)(x, axis),
                    plain=lambda x, f=plain, axis=axis, o=options: f(x, axis=axis, **o),
                )
        yield Case(f"mean of all, {size}", inputs, lambda lib, x: x.mean(), plain=np.mean)


def _transposes(huge: bool) -> Iterator[Case]:
    for size, side in _sides(huge).items():
        images = (side * side // (64 * 256), 64, 16, 16)
        for shape, axes in (
            ((side, side), (1, 0)),
            (images, (0, 2, 3, 1)),
            (images, (0, 2, 1, 3)),
            (images, (3, 2, 1, 0)),
        ):
            yield Case(
                f"{shape} to {axes}, {size}",
                (shape,),
                lambda lib, x, axes=axes: x.permute(axes).contiguous(),
                plain=lambda x, axes=axes: np.ascontiguousarray(x.transpose(axes)),
            )


def _gather(huge: bool) -> Iterator[Case]:
    for size, side in _sides(huge).items():
        rows = side * side // 64
        inputs = ((rows, 64), ((4096,), rows))

        def embed(lib: Any, table: Any, ids: Any) -> Any:
            return lib.nn.functional.embedding(ids, table)

        yield Case(
            f"4096 rows of {size}",
            inputs,
            embed,
            plain=lambda table, ids: table[ids],
            picks=lambda table, ids: (table, len(np.unique(ids)), 64 * 4),
        )
        yield Case(f"4096 rows of {size}: table gradient", inputs, embed, "gradient", 0)
        yield Case(
            f"all rows of {size}, in another order",
            ((rows, 64), ((rows,), rows)),
            embed,
            plain=lambda table, ids: table[ids],
            picks=lambda table, ids: (table, len(np.unique(ids)), 64 * 4),
        )
        picked = ((rows, 64), ((rows, 1), 64))
        yield Case(
            f"one of each row of {size}",
            picked,
            lambda lib, x, ids: lib.gather(x, 1, ids),
            plain=lambda x, ids: np.take_along_axis(x, ids, 1),
            picks=lambda x, ids: (x, len(x), 4),
        )


#: By group: a function of whether the 1 GB working sets are wanted too.
GROUPS: dict[str, Callable[[bool], Iterator[Case]]] = {
    "gemm": _gemm,
    "gemm_square": _gemm_square,
    "gemm_skinny": _gemm_skinny,
    "gemm_narrow": _gemm_narrow,
    "gemm_odd": _gemm_odd,
    "gemm_batched": _gemm_batched,
    **{group: _convolutions(group) for group in _CONVS},
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "attention": _attention,
    "lstm": _lstm,
    "copies": _copies,
    "elementwise": _elementwise,
    "reductions": _reductions,
    "transposes": _transposes,
    "gather": _gather,
}
