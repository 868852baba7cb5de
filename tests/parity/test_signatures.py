"""Functions by name: positional, keyword, method and `out=` forms; axes; empty and 0-d inputs."""

# ruff: noqa: B023 -- every case runs before the loop that made its function goes on

from __future__ import annotations

from typing import Any

import pytest

from tests.parity.compare import Hunt

UNARY = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "arccos",
    "arcsin",
    "arctan",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "clone",
    "cos",
    "cosh",
    "deg2rad",
    "diff",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "fix",
    "flatten",
    "floor",
    "frac",
    "i0",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logical_not",
    "logit",
    "nan_to_num",
    "neg",
    "negative",
    "nonzero",
    "argwhere",
    "positive",
    "rad2deg",
    "ravel",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "sgn",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "squeeze",
    "t",
    "tan",
    "tanh",
    "trunc",
    "unique",
    "fliplr",
    "flipud",
    "msort",
    "sort",
    "argsort",
    "trace",
    "tril",
    "triu",
    "diag",
    "diagonal",
    "diagflat",
    "diag_embed",
    "detach",
    "zeros_like",
    "ones_like",
    "std",
    "var",
    "corrcoef",
    "cov",
    "count_nonzero",
    "all",
    "any",
    "sum",
    "prod",
    "mean",
    "max",
    "min",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "median",
    "nanmedian",
    "nansum",
    "nanmean",
    "aminmax",
    "cummax",
    "std_mean",
    "var_mean",
    "unique_consecutive",
    "mode",
]
AXIS = [
    "sum",
    "prod",
    "mean",
    "amax",
    "amin",
    "max",
    "min",
    "argmax",
    "argmin",
    "all",
    "any",
    "cumsum",
    "cumprod",
    "cummax",
    "cummin",
    "logsumexp",
    "logcumsumexp",
    "std",
    "var",
    "median",
    "nanmedian",
    "nansum",
    "nanmean",
    "sort",
    "argsort",
    "softmax",
    "log_softmax",
    "unbind",
    "flip",
    "count_nonzero",
    "std_mean",
    "var_mean",
    "squeeze",
    "unsqueeze",
    "mode",
    "diff",
    "norm",
    "unique_consecutive",
]
KEEPING = [
    "sum",
    "prod",
    "mean",
    "amax",
    "amin",
    "max",
    "min",
    "argmax",
    "argmin",
    "all",
    "any",
    "logsumexp",
    "std",
    "var",
    "median",
    "nanmedian",
    "nansum",
    "nanmean",
    "std_mean",
    "var_mean",
    "mode",
    "norm",
]
BINARY = [
    "add",
    "sub",
    "subtract",
    "mul",
    "multiply",
    "div",
    "divide",
    "true_divide",
    "floor_divide",
    "remainder",
    "fmod",
    "pow",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "arctan2",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "greater",
    "less",
    "not_equal",
    "copysign",
    "hypot",
    "logaddexp",
    "xlogy",
    "heaviside",
    "isclose",
    "allclose",
    "equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "dist",
    "outer",
    "matmul",
    "mm",
    "kron",
    "inner",
    "max",
    "min",
    "float_power",
    "cdist",
]
#: Axes that one of the two refuses and the other, with good sense, takes.
LENIENT: set[tuple[Any, ...]] = {
    ("logsumexp", ()),
    *((name, "empty", axis) for name in ("cummax", "cummin") for axis in (1, -2, 2)),
    *((name, "nothing", 2) for name in ("cummax", "cummin")),
    *(("logcumsumexp", kind, 2) for kind in ("integers", "truths")),
    *(("unique_consecutive", "nothing", axis) for axis in (0, -2)),
}
VALUES = {
    "matrix": [[0.5, -1.25, 3.0], [2.0, 0.25, -0.75]],
    "vector": [0.25, 0.5, 0.75],
    "number": 0.5,
    "empty": [],
    "integers": [[3, -1, 2], [0, 5, 7]],
    "truths": [[True, False, True]],
    "nothing": [[], []],
}


def tuple_or(axis: Any) -> Any:
    """An axis argument that can be looked up."""
    return tuple(axis) if isinstance(axis, list) else axis


def given(t: Any, kind: str) -> Any:
    """A tensor of some kind."""
    if kind in ("matrix", "vector"):
        return t.tensor(VALUES[kind], dtype=t.float64)
    return t.tensor(VALUES[kind])


def parts(value: Any) -> Any:
    """Named results as plain tuples."""
    return tuple(value) if isinstance(value, tuple) else value


def into(t: Any, name: str, *args: Any) -> Any:
    """A function's result by way of `out=`."""
    wanted = getattr(t, name)(*args)
    if not isinstance(wanted, t.Tensor):
        return None
    out = t.empty(wanted.shape, dtype=wanted.dtype)
    made = getattr(t, name)(*args, out=out)
    return out, made is out


def gradient(t: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """The gradient of a function's floating results, weighted."""
    x = given(t, "matrix").requires_grad_()
    found = getattr(t, name)(x, *args, **kwargs)
    found = found if isinstance(found, (tuple, list)) else [found]
    floats = [y for y in found if y.is_floating_point() and y.requires_grad]
    if not floats:
        return None
    sum((y * (1 + t.arange(y.numel()).reshape(y.shape))).sum() for y in floats).backward()
    return x.grad


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    hunt = Hunt("signatures", f"unary.{name}")
    for kind in VALUES:
        hunt.check(f"{name}({kind})", lambda t: parts(getattr(t, name)(given(t, kind))))
        if not name.endswith("_mean"):
            hunt.check(f"{kind}.{name}()", lambda t: parts(getattr(given(t, kind), name)()))
    hunt.check(f"{name}(input=)", lambda t: parts(getattr(t, name)(input=given(t, "matrix"))))
    hunt.check(f"{name}(text)", lambda t: getattr(t, name)("text"))
    hunt.check(f"{name}(out=)", lambda t: into(t, name, given(t, "vector")))
    # The other framework's trigamma is right to nine digits; its sgn has a gradient NumPy cannot
    # read.
    if name not in ("digamma", "sgn"):
        hunt.check(f"{name} gradient", lambda t: gradient(t, name))
    hunt.verdict()


@pytest.mark.parametrize("name", AXIS)
def test_axis(name: str) -> None:
    hunt = Hunt("signatures", f"axis.{name}")
    more = {"norm": (2,)}.get(name, ())
    for kind in VALUES:
        for axis in (0, 1, -1, -2, 2, (0, 1), (-1,), [0], ()):
            if {(name, tuple_or(axis)), (name, kind, tuple_or(axis))} & LENIENT:
                continue
            hunt.check(
                f"{name}({kind}, dim={axis})",
                lambda t: parts(getattr(t, name)(given(t, kind), *more, dim=axis)),
            )
            if (
                not more
                and not name.endswith("_mean")
                and name != "diff"
                and name != "unique_consecutive"
            ):
                hunt.check(
                    f"{kind}.{name}({axis})",
                    lambda t: parts(getattr(given(t, kind), name)(axis)),
                )
    hunt.check(
        f"{name}(axis=)", lambda t: parts(getattr(t, name)(given(t, "matrix"), *more, axis=1))
    )
    hunt.check(f"{name} gradient", lambda t: gradient(t, name, *more, dim=1))
    hunt.verdict()


@pytest.mark.parametrize("name", KEEPING)
def test_keepdim(name: str) -> None:
    hunt = Hunt("signatures", f"keepdim.{name}")
    more = {"norm": (2,)}.get(name, ())
    for kind in VALUES:
        for axis in (0, -1, (0, 1), None):
            hunt.check(
                f"{name}({kind}, dim={axis}, keepdim=True)",
                lambda t: parts(getattr(t, name)(given(t, kind), *more, dim=axis, keepdim=True)),
            )
    hunt.check(f"{name} gradient", lambda t: gradient(t, name, *more, dim=0, keepdim=True))
    hunt.verdict()


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    hunt = Hunt("signatures", f"binary.{name}")
    for left in VALUES:
        for right in VALUES:
            hunt.check(
                f"{name}({left}, {right})",
                lambda t: parts(getattr(t, name)(given(t, left), given(t, right))),
            )
            hunt.check(
                f"{left}.{name}({right})",
                lambda t: parts(getattr(given(t, left), name)(given(t, right))),
            )
    hunt.check(
        f"{name}(input=, other=)",
        lambda t: getattr(t, name)(input=given(t, "matrix"), other=given(t, "matrix")),
    )
    hunt.check(f"{name}(no second)", lambda t: parts(getattr(t, name)(given(t, "matrix"))))
    if name in ("add", "mul", "sub", "div", "maximum", "pow", "atan2", "hypot", "fmax"):
        hunt.check(f"{name}(out=)", lambda t: into(t, name, given(t, "vector"), given(t, "vector")))
        hunt.check(f"{name} gradient", lambda t: gradient(t, name, 2 * given(t, "vector")))
    hunt.verdict()


#: Single expressions over a matrix m, a vector v, integers i and a mask b.
EXPRESSIONS = """
t.cat([m, m], 1) ; t.cat((m, i)) ; t.cat([v, t.tensor([])]) ; t.stack([v, v], dim=-1) ; t.cat([])
t.hstack((v, v)) ; t.vstack((v, m)) ; t.dstack([v, v]) ; t.column_stack([v, v]) ; t.stack([v, m])
t.chunk(m, 2, dim=1) ; t.split(m, 2, 1) ; m.split([1, 2], dim=1) ; m.split([1, 1], dim=1)
t.tensor_split(m, 2, dim=1) ; t.tensor_split(m, (1,), dim=1) ; t.unbind(m, -1) ; m.split(0)
t.where(b, 1, 0) ; t.where(b, m, 0) ; t.where(b) ; t.where(m, m, m) ; t.where(m > 0, v, i)
t.clamp(m, 0, 1) ; m.clamp(min=v) ; m.clamp(max=0.5) ; m.clamp() ; i.clamp(0.5) ; m.clip(-1, 1)
t.gather(m, 1, t.tensor([[0], [2]])) ; m.gather(1, m) ; t.index_select(m, 1, t.tensor([2, 0]))
m.index_select(0, t.tensor([9])) ; m.take(t.tensor([5, 0]))
m.index_add(1, t.tensor([0, 0]), m[:, :2]) ; m.index_fill(1, t.tensor([0]), 9.0)
m.index_copy(0, t.tensor([1]), v[None]) ; m.masked_fill(b, 7) ; m.masked_select(b)
m.masked_fill(i, 1) ; m.scatter(1, t.tensor([[0], [2]]), 5.0)
m.scatter_add(1, t.tensor([[0, 0], [1, 1]]), m)
m.scatter_reduce(1, t.tensor([[0, 0], [1, 1]]), m, "amax")
m.scatter(1, t.tensor([[0]]), m, reduce="add") ; t.repeat_interleave(v, 2)
v.repeat_interleave(t.tensor([1, 0, 2])) ; m.repeat(2, 1) ; m.repeat(2) ; m.tile(2)
m.tile((2, 1, 1)) ; m.roll(1) ; m.roll((1, 1), (0, 1)) ; m.rot90() ; m.flip(0, 1)
m.expand(4, 2, 3) ; m.expand(2, -1) ; m.expand(3, 3) ; v.expand(-1, 3) ; m.broadcast_to((1, 2, 3))
m.reshape(3, -1) ; m.reshape(-1, -1) ; m.reshape(7) ; m.view(3, 2) ; m.t().view(6)
m.view(t.int64) ; m.permute(1, 0) ; m.permute((1, 0)) ; m.permute(0, 0) ; m.transpose(0, 2)
m.movedim(0, 1) ; m.T ; m.unflatten(1, (3, 1)) ; m.flatten(0, -1) ; m.squeeze(0)
m[None].squeeze(0) ; m.unsqueeze(-3) ; m.unfold(1, 2, 1) ; m.narrow(1, 1, 2) ; m.narrow(1, 2, 2)
m.select(1, -1) ; m.swapaxes(0, 1) ; t.topk(v, 2) ; v.topk(5) ; v.kthvalue(2)
m.sort(descending=True) ; m.sort(dim=0, stable=True) ; t.quantile(v, 0.4)
m.quantile(t.tensor([0.1, 0.9], dtype=t.float64), dim=1) ; m.unique(return_counts=True)
i.bincount() ; t.bincount(t.tensor([1, 1, 3])) ; t.histc(v, 4) ; t.bucketize(m, v)
t.searchsorted(v, m) ; t.addmm(t.zeros(2, 2, dtype=t.float64), m, m.t())
t.addmm(v, m.t(), m, beta=0.5, alpha=2) ; m @ v ; v @ v ; m @ m ; t.bmm(m[None], m.t()[None])
t.mv(m, v) ; t.dot(v, v) ; t.dot(v, m) ; t.ger(v, v) ; m.mm(v) ; t.einsum("ij,kj->ik", m, m)
t.einsum("ij->", m) ; t.tensordot(m, m, 2) ; t.tensordot(m, m, ([1], [1]))
t.addcmul(m, m, m, value=2) ; t.addcdiv(m, m, v) ; t.lerp(m, m * 2, 0.3) ; t.lerp(m, m * 2, m)
t.norm(m) ; m.norm(1) ; m.norm(dim=1) ; m.norm("fro") ; m.norm("nuc") ; m.norm(float("inf"), 0)
t.cumsum(m, 1, dtype=t.float32) ; m.cumsum(2) ; i.cumsum(0) ; b.cumsum(1) ; m.logcumsumexp(1)
t.arange(5) ; t.arange(1, 2, 0.25) ; t.arange(3, 0) ; t.arange(5.0) ; t.arange(0, 10, 3)
t.arange(1, 5, -1) ; t.linspace(0, 1, 5) ; t.linspace(0, 1, 1)
t.linspace(0, 10, 4, dtype=t.int64) ; t.logspace(0, 2, 3) ; t.eye(3) ; t.eye(2, 3)
t.full((2, 2), 7) ; t.full((2,), 1.5) ; t.full((2,), True) ; t.full_like(i, 2.7) ; t.zeros(2, 3)
t.zeros((2, 3)) ; t.zeros(size=(2, 3)) ; t.zeros([]) ; t.ones(2, dtype=t.bool) ; t.zeros(-1)
t.tensor([1, 2.5]) ; t.tensor([[1], [2, 3]]) ; t.tensor([True, 2]) ; t.tensor(3) ; t.tensor([])
t.tensor("a") ; t.meshgrid(v, v, indexing="ij") ; t.meshgrid(v, v, indexing="xy")
t.cartesian_prod(v, v) ; t.tril_indices(3, 3) ; t.tril(m, -1) ; t.triu(m, 1) ; t.diag(v, 1)
t.diagonal(m, 1) ; t.diag_embed(v) ; t.trace(m) ; t.trace(v) ; m.std(0) ; m.std(unbiased=False)
m.var(1, True) ; m.var(dim=1, correction=0) ; t.var(v, correction=3) ; v[:1].std() ; m.sum(0, 1)
m.sum((0, 1)) ; m.sum(dtype=t.float32) ; m.mean(5) ; i.mean() ; t.mean(i, dtype=t.float32)
m.any(1) ; m.all() ; i.all(0) ; m.argmax() ; m.argmax(1, keepdim=True) ; m.max(1).values
m.max(1).indices ; m.min(dim=0)[0] ; t.max(m, v) ; t.max(m, 0, True) ; t.empty(0).max()
t.empty(0).sum() ; t.empty(0).mean() ; t.empty(0, 3).max(0) ; t.empty(0, 3).argmax(1)
t.empty(3, 0).amax(1) ; t.empty(3, 0).prod(1) ; t.empty(0).argmax() ; m.to(t.int32) ; m.to("cpu")
m.to(i) ; m.long() ; m.type(t.float16) ; m.type() ; m.type_as(i) ; m.is_contiguous() ; m.item()
v[0].item() ; m.tolist() ; m.size() ; m.size(0) ; m.size(-1) ; m.size(4) ; m.dim() ; m.ndim
len(m) ; m.nelement() ; m.element_size() ; m.stride() ; m.stride(0) ; m.shape[1] ; m.new_zeros(2)
m.new_tensor([1]) ; m.dtype ; m.new_full((2,), 3) ; m.new_ones((1, 2), dtype=t.int64)
m.new_empty(0) ; t.numel(m) ; t.is_tensor(m) ; bool(v[0]) ; bool(m) ; bool(t.empty(0)) ; int(v[0])
float(v[1]) ; int(m) ; v[0] + 1 ; 1 - v ; 2 ** v ; v ** 2 ; 5 // v ; 5 % v ; -v ; +v ; abs(v) ; ~b
~i ; ~m ; v == v ; v != None ; i & 1 ; b | b ; i << 1 ; i >> 1 ; m < "a" ; m + "a" ; m + None
[] + v ; v + [1, 2, 3] ; round(v) ; v in v ; 0.5 in v ; divmod(v, 2) ; sum(v) ; max(v) ; list(v)
reversed(v) ; t.isin(i, t.tensor([3, 7])) ; t.isclose(v, v + 1e-9) ; t.allclose(v, v)
t.equal(v, v) ; t.cross(m, m, dim=1) ; t.cdist(m, m) ; t.nan_to_num(m / 0, nan=1.0) ; t.cov(m)
t.corrcoef(m) ; t.trapezoid(v) ; t.renorm(m, 2, 0, 1.0)
t.take_along_dim(m, t.tensor([[0], [1]]), 1) ; t.count_nonzero(m, dim=0) ; t.logsumexp(m, (0, 1))
t.broadcast_tensors(m, v) ; t.broadcast_shapes((2, 1), (3,)) ; t.broadcast_shapes((2,), (3,))
t.block_diag(m, m) ; t.softmax(i, 0) ; t.softmax(m, 1, dtype=t.float32) ; t.log_softmax(m, -1)
m.softmax(-1) ; t.sigmoid(i) ; t.relu(-i) ; t.rad2deg(v) ; t.bitwise_not(i)
t.ones_like(m, dtype=t.int8) ; t.float_power(i, 2)
""".replace("\n", " ; ").split(" ; ")


def test_expressions() -> None:
    hunt = Hunt("signatures", "expressions")
    for text in filter(str.strip, EXPRESSIONS):
        code = compile(text.strip(), "<case>", "eval")

        def case(t: Any, code: Any = code) -> Any:
            names = {
                "t": t,
                "m": given(t, "matrix"),
                "v": given(t, "vector"),
                "i": given(t, "integers"),
                "b": t.tensor([[True, False, True], [False, True, True]]),
            }
            return parts(eval(code, names))

        hunt.check(text, case)
    hunt.verdict()
