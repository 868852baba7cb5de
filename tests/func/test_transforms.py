"""Derivatives of functions: against closed forms, finite differences, and each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    stack_module_state,
    vjp,
    vmap,
)
from plait.nn import functional as F


def drawn(*shape: int, seed: int = 0) -> Any:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


def cubes(x: Any) -> Any:
    return (x**3).sum()


def test_grad_nests() -> None:
    x = drawn(4)
    same(grad(cubes)(x), 3 * x**2)
    same(grad(lambda v: grad(cubes)(v).sum())(x), 6 * x)
    same(grad(lambda v: grad(lambda u: grad(cubes)(u).sum())(v).sum())(x), torch.full((4,), 6.0))


def test_results_need_no_gradient() -> None:
    x = drawn(3)
    found, value = grad_and_value(cubes)(x)
    assert not found.requires_grad and not value.requires_grad
    assert not x.requires_grad and x.grad is None
    assert not jvp(cubes, (x,), (x,))[1].requires_grad
    assert not jacrev(torch.sin)(x).requires_grad


def test_what_is_around_stays_tracked() -> None:
    w = drawn(3).requires_grad_()
    x = drawn(3, seed=1)
    grad(lambda v: (w * v**2).sum())(x).sum().backward()
    same(w.grad, 2 * x)


def test_argnums_and_aux() -> None:
    a, b = drawn(3), drawn(3, seed=1)
    (ga, gb), aux = grad(lambda u, v: ((u * v**2).sum(), v + 1), argnums=(0, 1), has_aux=True)(a, b)
    same(ga, b**2)
    same(gb, 2 * a * b)
    same(aux, b + 1)
    same(grad(lambda u, v: (u * v**2).sum(), argnums=-1)(a, b), 2 * a * b)


def test_arguments_may_be_trees() -> None:
    tree = {"w": drawn(2, 3), "b": [drawn(2, seed=1)]}
    found = grad(lambda t, x: (t["w"] @ x + t["b"][0]).square().sum())(tree, drawn(3, seed=2))
    assert found.keys() == tree.keys()
    assert found["w"].shape == (2, 3) and found["b"][0].shape == (2,)


def test_vjp_and_jvp_are_transposes() -> None:
    w, x, v, u = drawn(4, 3), drawn(3, seed=1), drawn(3, seed=2), drawn(4, seed=3)

    def f(x: Any) -> Any:
        return torch.tanh(w @ x) * x.sum()

    value, pull = vjp(f, x)
    pushed_value, pushed = jvp(f, (x,), (v,))
    same(value, f(x))
    same(pushed_value, value)
    same((u * pushed).sum(), (pull(u)[0] * v).sum())
    same(linearize(f, x)[1](v), pushed)


def test_vjp_gives_as_many_as_there_are_primals() -> None:
    _, pull = vjp(lambda a, b: (a * b, a.sum()), drawn(3), drawn(3, seed=1))
    ga, gb = pull((torch.ones(3, dtype=torch.float64), torch.ones((), dtype=torch.float64)))
    same(ga, drawn(3, seed=1) + 1)
    same(gb, drawn(3))
    (alone,) = vjp(torch.exp, drawn(3))[1](torch.ones(3, dtype=torch.float64))
    same(alone, drawn(3).exp())


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_jacobians(jacobian: Callable[..., Any]) -> None:
    w, x = drawn(2, 3), drawn(3, seed=1)

    def f(w: Any, x: Any) -> tuple[Any, Any]:
        return torch.sin(w @ x), (w * x).sum()

    ((to_w, to_x), (sum_to_w, sum_to_x)) = jacobian(f, argnums=(0, 1))(w, x)
    slope = torch.cos(w @ x)
    same(to_x, slope[:, None] * w)
    same(to_w, torch.einsum("i,ij,k->ijk", slope, torch.eye(2, dtype=torch.float64), x))
    same(sum_to_w, x.expand(2, 3))
    same(sum_to_x, w.sum(0))


def test_jacobians_in_chunks() -> None:
    def squares(v: Any) -> Any:
        return v.cumsum(0) ** 2

    x = drawn(5)
    same(jacrev(squares, chunk_size=2)(x), jacfwd(squares)(x))


def test_hessian() -> None:
    x = drawn(4)
    v = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad((v.sin() * v.sum()).sum(), v, create_graph=True)
    rows = [torch.autograd.grad(part, v, retain_graph=True)[0] for part in slope]
    same(hessian(lambda v: (v.sin() * v.sum()).sum())(x), torch.stack(rows))


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.GroupNorm(3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(27, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 4),
    ).double()  # fmt: skip


def test_gradients_per_sample() -> None:
    net, x, y = network(), drawn(6, 1, 8, 8), torch.arange(6) % 4
    params = {name: p.detach() for name, p in net.named_parameters()}

    def loss(params: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(functional_call(net, params, (x[None],)), y[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    chunked = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=4)(params, x, y)
    for i in range(6):
        net.zero_grad()
        F.cross_entropy(net(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in net.named_parameters():
            same(found[name][i], p.grad)
            same(chunked[name][i], p.grad)


def test_an_ensemble() -> None:
    models = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double() for _ in range(3)]
    params, buffers = stack_module_state(models)
    x = drawn(5, 3)
    found = vmap(lambda p, b, v: functional_call(models[0], (p, b), (v,)), (0, 0, None))(
        params, buffers, x
    )
    assert found.requires_grad
    for row, model in zip(found, models):
        same(row, model(x))


def test_hessian_of_each_sample() -> None:
    x = drawn(3, 2)
    same(vmap(hessian(cubes))(x), torch.stack([torch.diag(6 * row) for row in x]))


def test_a_jacobian_in_a_gradient() -> None:
    w, x = drawn(3, 3), drawn(3, seed=1)
    found = grad(lambda w: jacfwd(lambda v: torch.tanh(w @ v))(x).square().sum())(w)
    leaf = w.detach().requires_grad_()
    slope = 1 - torch.tanh(leaf @ x) ** 2
    (slope[:, None] * leaf).square().sum().backward()
    same(found, leaf.grad)


LAYERS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "softmax": (lambda x: F.softmax(x, -1), (4, 5)),
    "log_softmax": (lambda x: F.log_softmax(x, 0), (4, 5)),
    "layer_norm": (lambda x: F.layer_norm(x, (5,)), (4, 5)),
    "attention": (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), (2, 4, 8)),
    "max_pool": (lambda x: F.max_pool2d(x, 2), (2, 6, 6)),
    "avg_pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), (1, 2, 6, 6)),
    "gelu": (F.gelu, (3,)),
    "sort": (lambda x: x.sort(-1)[0], (3, 4)),
    "topk": (lambda x: x.topk(2)[0], (3, 4)),
    "cumsum": (lambda x: x.cumsum(1), (3, 4)),
    "index": (lambda x: x[[2, 0, 0]], (3, 4)),
    "mask": (lambda x: torch.where(x > 0, x, x.sum()), (3, 4)),
    "slices": (lambda x: x[1:, ::2] + x[:-1, 1::2], (3, 4)),
    "newaxis": (lambda x: (x[:, None] * x[None]).flatten(), (3,)),
    "cat": (lambda x: torch.cat([x, x.flip(0)], 1), (3, 4)),
    "einsum": (lambda x: torch.einsum("ij,kj->ik", x, x), (3, 4)),
    "inverse": (lambda x: torch.linalg.inv(x @ x.mT + torch.eye(3)), (3, 3)),
    "norm": (lambda x: x.norm(dim=1), (3, 4)),
    "var": (lambda x: x.var(0), (3, 4)),
    "gather": (lambda x: x.gather(1, torch.tensor([[0, 1], [2, 2], [1, 0]])), (3, 4)),
    "scatter": (lambda x: x.new_zeros(3, 4).scatter_add(0, x.new_zeros(3, 4).long(), x), (3, 4)),
    "padding": (lambda x: F.pad(x, (1, 2), mode="reflect"), (2, 5)),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (1, 2, 3, 3)),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), (4, 3)),
    "logsumexp": (lambda x: x.logsumexp(0), (3, 4)),
    "in_place": (lambda x: x.clone().mul_(2).add_(x), (3,)),
    "in_place_view": (lambda x: _write_row(x), (3, 4)),
}  # fmt: skip


def _write_row(x: Any) -> Any:
    made = x.clone()
    made[1] = made[0] * 2
    made[:, 0].add_(1)
    return made


@pytest.mark.parametrize("name", LAYERS)
def test_functions_of_samples(name: str) -> None:
    function, shape = LAYERS[name]
    x = drawn(3, *shape)
    same(vmap(function)(x), torch.stack([function(row) for row in x]))

    def weighted(v: Any) -> Any:
        made = function(v)
        return (made * torch.arange(made.numel(), dtype=v.dtype).reshape(made.shape).cos()).sum()

    leaf = x.detach().requires_grad_()
    torch.stack([weighted(row) for row in leaf]).sum().backward()
    same(vmap(grad(weighted))(x), leaf.grad)


# -- random draws -----------------------------------------------------------------------------


def test_randomness() -> None:
    x = torch.zeros(4, 100)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(lambda v: v + torch.rand(100))(x)
    alike = vmap(lambda v: v + torch.rand(100), randomness="same")(x)
    assert (alike == alike[0]).all()
    apart = vmap(lambda v: v + torch.rand(100), randomness="different")(x)
    assert len({row.sum().item() for row in apart}) == 4
    dropped = vmap(lambda v: F.dropout(v + 1, 0.5), randomness="different")(x)
    assert len({row.sum().item() for row in dropped}) > 1


# -- faults -----------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "vector": (lambda: grad(torch.sin)(drawn(3)), RuntimeError, "scalar tensor, got tensor with 1"),
    "number": (lambda: grad(lambda x: 1.0)(drawn(3)), RuntimeError, "return a single tensor"),
    "argnum": (lambda: grad(cubes, argnums=2)(drawn(3)), RuntimeError, "Got argnum=2, but only 1"),
    "tuples": (lambda: jvp(cubes, drawn(3), drawn(3)), RuntimeError, "to be tuples"),
    "tangent": (
        lambda: jvp(cubes, (drawn(3),), (drawn(2),)),
        RuntimeError,
        "same python structure",
    ),
    "sizes": (lambda: vmap(torch.add)(drawn(3), drawn(2)), ValueError, "same size in the mapped"),
    "axis": (lambda: vmap(torch.sin, 2)(drawn(3)), ValueError, "Got in_dim=2 for some input"),
    "no_inputs": (lambda: vmap(torch.sin)(), ValueError, "got no inputs"),
    "structure": (lambda: vmap(torch.add, (0,))(drawn(3), drawn(3)), ValueError, "not compatible"),
    "output": (
        lambda: vmap(lambda x: 1)(drawn(3)),
        ValueError,
        "must only return Tensors, got type",
    ),
    "branch": (lambda: vmap(lambda x: x if x > 0 else -x)(drawn(3)), RuntimeError, "torch.where"),
    "item": (lambda: vmap(lambda x: x.item())(drawn(3)), RuntimeError, "no .item()"),
    "in_place": (lambda: vmap(lambda x: drawn(2).add_(x))(drawn(3, 2)), RuntimeError, "vmap"),
    "mode": (lambda: vmap(torch.sin, randomness="some"), RuntimeError, "'different', or 'same'"),
    "chunk": (lambda: vmap(torch.sin, chunk_size=0), ValueError, "greater than 0"),
    "name": (
        lambda: functional_call(nn.Linear(2, 2), {"weights": drawn(2, 2)}, drawn(2), strict=True),
        RuntimeError,
        "weights",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    act, kind, words = FAULTS[name]
    with pytest.raises(kind, match=re.escape(words)):
        act()


def test_a_fault_leaves_no_level_and_no_parameter() -> None:
    from plait.core.batching.levels import running

    model = nn.Linear(2, 2)
    weight = model.weight
    with pytest.raises(RuntimeError):
        vmap(lambda w: functional_call(model, {"weight": w}, torch.zeros(5)))(
            drawn(3, 2, 2).float()
        )
    assert running() == [] and model.weight is weight


# -- with compile -----------------------------------------------------------------------------


def test_compiled() -> None:
    x = drawn(4, 3)
    step = torch.compile(lambda v: (vmap(grad(cubes))(v), jacrev(torch.sin)(v[0])))
    for _ in range(3):
        grads, jacobian = step(x)
        same(grads, 3 * x**2)
        same(jacobian, torch.diag(x[0].cos()))
