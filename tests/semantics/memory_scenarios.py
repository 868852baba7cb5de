"""Programs about tensors that take over other memory: what was taken of the old one stays with it.

Written once for any `torch`, as those of `scenarios.py`, among which they are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SCENARIOS: dict[str, Callable[[Any], Any]] = {}


def scenario(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENARIOS[function.__name__] = function
    return function


@scenario
def views_keep_the_memory_that_data_leaves(torch):
    x = torch.arange(4.0)
    v = x[0:2]
    x.data = torch.full((4,), 9.0)
    seen = [v.tolist(), x.tolist()]
    v[0] = 5
    x[1] = 7
    return [*seen, v.tolist(), x.tolist()]


@scenario
def views_see_each_other_when_data_has_left(torch):
    x = torch.arange(4.0)
    v = x.view(2, 2)
    w, d = v.t(), x[2:].detach()
    x.data = torch.zeros(4)
    w[0, 1] = 5
    d[1] = 6
    return [v.tolist(), w.tolist(), d.tolist(), x.tolist()]


@scenario
def views_of_each_memory(torch):
    x = torch.arange(4.0)
    views = []
    for k in range(4):
        views.append(x[k : k + 1])
        x.data = x.data + 10
    for view in views:
        view.mul_(2)
    return [*[view.tolist() for view in views], x.tolist()]


@scenario
def data_of_another_shape(torch):
    x = torch.arange(4.0)
    v = x[0:2]
    x.data = torch.full((2, 2), 9.0)
    return [v.tolist(), x.tolist(), x[0].tolist()]


@scenario
def data_that_is_part_of_the_same_memory(torch):
    x = torch.arange(4.0)
    v = x[0:2]
    x.data = x[1:]
    x[0] = 50
    return [v.tolist(), x.tolist()]


@scenario
def data_that_another_holds(torch):
    x, y = torch.arange(4.0), torch.full((4,), 9.0)
    v = x[0:2]
    x.data = y
    y[0] = 4
    v[1] = 6
    return [v.tolist(), x.tolist(), y.tolist()]


@scenario
def data_exchanged(torch):
    a, b = torch.arange(4.0), torch.ones(4)
    of_a, of_b = a[:2], b[:2]
    held = a.data
    a.data = b.data
    b.data = held
    a[0] = 20
    b[1] = 30
    return [a.tolist(), b.tolist(), of_a.tolist(), of_b.tolist()]


@scenario
def set_leaves_views_behind(torch):
    x = torch.arange(4.0)
    v = x[0:2]
    x.set_(torch.full((4,), 9.0))
    v[0] = 5
    return [v.tolist(), x.tolist()]


@scenario
def data_leaves_the_memory_of_an_array(torch):
    x = torch.arange(4.0)
    array, v = x.numpy(), x[:2]
    x.data = torch.zeros(4)
    array[0] = 77
    v[1] = 78
    return [v.tolist(), x.tolist(), array.tolist()]


@scenario
def data_after_a_transposition_in_place(torch):
    x = torch.arange(6.0).reshape(2, 3).clone()
    v = x[0]
    x.t_()
    w = x[0]
    x.data = torch.zeros(2)
    u = x[:1]
    x[0] = 4
    v[1] = 9
    w[0] = 8
    return [v.tolist(), w.tolist(), u.tolist(), x.tolist()]


@scenario
def gradients_of_views_that_data_has_left(torch):
    parameter = torch.nn.Parameter(torch.arange(4.0))
    v = parameter[1:3]
    loss = (v * 2).sum()
    parameter.data = torch.ones(4)
    (loss + (v * v.detach()).sum()).backward()
    return [parameter.grad.tolist(), v.tolist(), v.requires_grad, parameter[1:3].tolist()]


@scenario
def a_shorter_tensor_and_a_view_of_its_end(torch):
    x = torch.arange(4.0)
    v = x[2:]
    x.resize_(2)
    v[0] = 7
    return [v.tolist(), x.tolist()]


@scenario
def a_parameter_of_another_dtype(torch):
    module = torch.nn.Linear(2, 2, bias=False)
    row = module.weight.view(-1)
    before = row.tolist()
    module.to(torch.float64)
    kinds = [row.dtype is torch.float32, module.weight.dtype is torch.float64]
    return [row.tolist() == before, *kinds]


@scenario
def a_leaf_that_was_transposed_in_place(torch):
    weight = torch.arange(6.0).reshape(2, 3).clone().t_().requires_grad_()
    row = weight[0]
    (row * row).sum().backward()
    with torch.no_grad():
        weight.t()[1] = 7
    return [row.tolist(), weight.grad.tolist(), weight.tolist(), weight.is_leaf]
