"""More programs that change what a step depends on: which tensors require a gradient, and how its
arguments lie in memory. As in `footguns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.replay.footguns import Made, array, batch, net, numbers, trainer


def gradients_given_up(t: Any, made: Made) -> Iterator[Any]:
    """What no longer requires a gradient when one arrives gets none."""
    weight, bias = t.nn.Parameter(t.ones(3)), t.nn.Parameter(t.ones(3))
    heard: list[int] = []
    weight.register_post_accumulate_grad_hook(lambda p: heard.append(1))

    def step(x: Any, keeps: bool, frees: bool) -> Any:
        loss = (weight * x + bias).square().sum()
        weight.requires_grad_(keeps)
        loss.backward()
        if frees:
            weight.requires_grad_(True)
        return loss.detach()

    step = made(step)
    for turn in range(30):
        weight.requires_grad_(True)
        weight.grad = bias.grad = None
        yield from numbers(step(t.from_numpy(array(turn, 3)), turn % 10 < 2, turn % 3 > 0))
        yield (weight.requires_grad, weight.grad is None)
        yield from (numbers(weight.grad) if weight.grad is not None else ())
        yield from numbers(bias.grad)
    yield len(heard)


def gradients_given_up_by_leaves(t: Any, made: Made) -> Iterator[Any]:
    """As above, of leaves without hooks, in passes that come again and again."""
    weight = t.ones(3).requires_grad_()
    step = made(lambda x: (weight * x).sum() * 2)
    for turn in range(40):
        weight.requires_grad_(True)
        loss = step(t.from_numpy(array(turn, 3)))
        weight.requires_grad_(turn % 20 < 13)
        loss.backward()
        yield weight.grad is None
        yield from (numbers(weight.grad) if weight.grad is not None else ())
        weight.grad = None


def frozen_by_the_step(t: Any, made: Made) -> Iterator[Any]:
    """A step that says which parameters are to be trained, and one that reads it."""
    given = [t.nn.Parameter(t.ones(2) * n) for n in range(3)]

    def freeze(x: Any, count: int) -> Any:
        for number, parameter in enumerate(given):
            parameter.requires_grad_(number < count)
        return x * 2

    freeze = made(freeze)
    read = made(lambda x: sum(((p.detach() * x).sum() for p in given if p.requires_grad), x.sum()))
    for turn in range(16):
        x = t.from_numpy(array(turn, 2))
        given[1].requires_grad_(turn % 4 < 2)
        yield from numbers(read(x))
        yield from numbers(freeze(x, turn % 3))
        yield [p.requires_grad for p in given]


def transposed_in_place(t: Any, made: Made) -> Iterator[Any]:
    """What the code reads by name is another view of the same memory."""
    weight, seen = t.tensor([[0.0, 1.0], [2.0, 3.0]]), t.arange(9.0)[:4].view(2, 2)
    step = made(lambda x: x @ weight + x @ seen)
    for turn in range(12):
        if turn % 4 == 3:
            weight.t_()
        if turn % 5 == 4:
            seen.t_()
        yield from numbers(step(t.from_numpy(array(turn, 2))))


def _views(t: Any) -> list[Any]:
    whole = t.from_numpy(array(7, 4, 4))
    own = whole.clone()
    lying = t.from_numpy(np.asfortranarray(array(8, 4, 4)))
    return [own, own.t(), own[1:3], own[:, ::2], own[1:], whole[1:3], lying, lying.t()] * 3


def layouts_of_arguments(t: Any, made: Made) -> Iterator[Any]:
    """A step is told how its argument lies in memory, not how a copy of it does."""
    steps = [
        lambda x: (x.sum(), *x.stride()),
        lambda x: x.sum() * (2 if x.is_contiguous() else 3),
        lambda x: x.sum() + x.storage_offset(),
        lambda x: x.sum() + x[1:].storage_offset(),
        lambda x: x.sum() + x.t().is_contiguous(),
        lambda x: x.contiguous().view(-1) * 2,
        lambda x: x.sum() * (x.data_ptr() == x[1:].data_ptr() - 4 * x.stride(0)),
        lambda x: x.sum() + x.untyped_storage().nbytes(),
    ]
    for step in map(made, steps):
        for view in _views(t):
            yield from numbers(*(r for r in [step(view)] if not isinstance(r, tuple)))
    step = made(steps[0])
    for view in _views(t):
        total, *strides = step(view)
        yield from numbers(total)
        yield strides


def views_that_cannot_be(t: Any, made: Made) -> Iterator[Any]:
    """`view` of an argument is refused where the argument cannot be seen so."""
    step = made(lambda x: x.view(-1) * 2)
    for view in _views(t):
        try:
            yield from numbers(step(view))
        except RuntimeError:
            yield "refused"


def memory_around_arguments(t: Any, made: Made) -> Iterator[Any]:
    step = made(lambda x: x.as_strided((2, 2), (1, 2), 1) * 2)
    own = t.arange(16.0).reshape(4, 4).clone()
    for view in [own, own.t(), own[1:3], own[:, ::2]] * 3:
        yield from numbers(step(view))


def broken_off_with_views(t: Any, made: Made) -> Iterator[Any]:
    """A step whose argument is a view goes on without a program, in the memory of the view."""

    def reads(x: Any) -> Any:
        first = x[0]
        x.add_(1)
        total = x.sum().item()
        x.mul_(2)
        first.sub_(1)
        return x.sum() + total

    def fails(x: Any) -> Any:
        x.mul_(2)
        raise ValueError

    def exports(x: Any) -> Any:
        x.numpy()[...] = 7
        return x.sum()

    def differentiates(x: Any) -> Any:
        x.requires_grad_()
        (x * x).sum().backward()
        return x.grad

    for step in map(made, (reads, fails, exports, differentiates)):
        for pick in (lambda m: m.t(), lambda m: m[1:3], lambda m: m[:, ::2]):
            memory = t.arange(16.0).reshape(4, 4).clone()
            view = pick(memory)
            try:
                yield from numbers(step(view))
            except ValueError:
                yield "failed"
            yield from numbers(memory)
            yield (view.requires_grad, view.grad is None)


def flattened_parameters(t: Any, made: Made) -> Iterator[Any]:
    """Parameters that are put into one vector with `.data =`, which changes between the steps."""
    model = net(t)
    flat = t.cat([p.detach().reshape(-1) for p in model.parameters()])
    start = 0
    for parameter in model.parameters():
        stop = start + parameter.numel()
        parameter.data = flat[start:stop].view_as(parameter)
        start = stop
    step = trainer(t, made, model, lambda x: model(x).square().mean())
    for turn in range(14):
        if turn == 5:
            flat.mul_(0.5)
        yield from numbers(step(batch(t, turn)), flat)
    yield from numbers(*model.parameters())


def memory_handed_over(t: Any, made: Made) -> Iterator[Any]:
    """`set_`, `.data =` and a smaller `resize_` share memory, also that of a view."""
    step = made(lambda x: x * 2)
    for _ in range(3):
        wide = t.arange(8.0)
        taken, kept = t.zeros(4), t.zeros(3)
        taken.set_(wide[::2])
        kept.data = wide[5:]
        small = wide.detach()
        small.resize_(2, 2)
        yield from numbers(step(taken), step(kept), step(small))
        wide.add_(1)
        kept.mul_(3)
        small.sub_(1)
        yield from numbers(wide, step(taken), step(kept), step(small))


SCENARIOS: list[Callable[[Any, Made], Iterator[Any]]] = [
    gradients_given_up,
    gradients_given_up_by_leaves,
    frozen_by_the_step,
    transposed_in_place,
    layouts_of_arguments,
    views_that_cannot_be,
    memory_around_arguments,
    broken_off_with_views,
    flattened_parameters,
    memory_handed_over,
]
