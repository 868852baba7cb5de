"""Random sequences of views and in-place operations over one memory, with gradients: as functions
of the framework's module."""

from __future__ import annotations

import random
from typing import Any

STEPS = 6
SEEDS = range(900)


def view_of(t: Any, x: Any, pick: random.Random) -> Any:
    """A random view of x."""
    kind = pick.choice(
        [
            "view",
            "flat",
            "transpose",
            "permute",
            "select",
            "slice",
            "step",
            "unsqueeze",
            "squeeze",
            "narrow",
            "diagonal",
            "expand",
            "chunk",
            "unbind",
            "flatten",
            "detach",
            "index",
            "strided",
            "T",
        ]
    )
    rank = x.dim()
    axis = pick.randrange(rank) if rank else 0
    extent = x.shape[axis] if rank else 1
    place = pick.randrange(extent) if extent else 0
    order = pick.sample(range(rank), rank)
    made = {
        "view": lambda: x.view(*reversed(x.shape)),
        "flat": lambda: x.view(-1),
        "transpose": lambda: x.transpose(0, -1),
        "permute": lambda: x.permute(order),
        "select": lambda: x.select(axis, place),
        "slice": lambda: x[place:],
        "step": lambda: x[..., ::2],
        "unsqueeze": lambda: x.unsqueeze(axis),
        "squeeze": lambda: x.squeeze(),
        "narrow": lambda: x.narrow(axis, 0, extent - place),
        "diagonal": lambda: x.diagonal(),
        "expand": lambda: x.unsqueeze(0).expand(2, *x.shape),
        "chunk": lambda: x.chunk(2, dim=axis)[0],
        "unbind": lambda: x.unbind(axis)[-1],
        "flatten": lambda: x.flatten(),
        "detach": lambda: x.detach(),
        "index": lambda: x[None, ..., -1],
        "strided": lambda: x.as_strided((2, 2), (1, 2)) if x.is_contiguous() else x,
        "T": lambda: x.mT,
    }
    return made[kind]()


def write_to(t: Any, x: Any, y: Any, pick: random.Random) -> None:
    """A random in-place operation on x; y is another live tensor."""
    kind = pick.choice(
        [
            "add",
            "mul",
            "zero",
            "fill",
            "copy",
            "setitem",
            "iadd",
            "imul",
            "sub_self",
            "clamp",
            "masked_fill",
            "exp",
            "where_mask",
            "data",
            "no_grad",
            "relu",
            "index_add",
            "t_",
            "unsqueeze_",
            "scalar",
            "div",
        ]
    )
    number = pick.choice([0.5, 2.0, -1.0])

    def without_grad() -> None:
        with t.no_grad():
            x.mul_(number)

    def set_item() -> None:
        x[..., 0] = number

    def set_mask() -> None:
        x[x > 1] = number

    def set_tensor() -> None:
        x[:1] = y.sum()

    operations = {
        "add": lambda: x.add_(number),
        "mul": lambda: x.mul_(number),
        "zero": lambda: x.zero_(),
        "fill": lambda: x.fill_(number),
        "copy": lambda: x.copy_(y),
        "setitem": set_item,
        "iadd": lambda: x.__iadd__(y),
        "imul": lambda: x.__imul__(x),
        "sub_self": lambda: x.sub_(x * number),
        "clamp": lambda: x.clamp_(-1, 1),
        "masked_fill": lambda: x.masked_fill_(x > 0, number),
        "exp": lambda: x.sigmoid_(),
        "where_mask": set_mask,
        # Where x has a gradient, the other framework would differentiate by the changed values.
        "data": lambda: x.requires_grad or x.data.add_(number),
        "no_grad": without_grad,
        "relu": lambda: x.relu_(),
        "index_add": lambda: x.index_add_(0, t.tensor([0]), x[:1]),
        "t_": lambda: x.t_(),
        "unsqueeze_": lambda: x.unsqueeze_(0),
        "scalar": set_tensor,
        "div": lambda: x.div_(y.sum().detach().abs() + 1),
    }
    operations[kind]()


def run(t: Any, seed: int) -> Any:
    """One sequence: the errors of its steps, all live tensors, the gradients."""
    pick = random.Random(seed)
    leaf = t.arange(12, dtype=t.float64).reshape(3, 4) / 4 - 1
    tracked = pick.random() < 0.6
    leaf.requires_grad_(tracked)
    base = leaf * 1 if tracked and pick.random() < 0.85 else leaf
    live, told = [base], []
    for _ in range(STEPS):
        x, y = pick.choice(live), pick.choice(live)
        inner = random.Random(pick.randrange(10**9))
        try:
            if pick.random() < 0.45:
                live.append(view_of(t, x, inner))
            else:
                write_to(t, x, y, inner)
        except Exception as raised:
            # Some errors leave the tensor changed in one framework only: the case ends here.
            told.append(raised)
            raise
    state = [(x.detach().clone(), list(x.stride()), x.storage_offset()) for x in live]
    flags = [(x.requires_grad, x.is_leaf) for x in live]
    grad = None
    if any(x.requires_grad for x in live):
        loss = sum((x * x * (i + 1)).sum() for i, x in enumerate(live))
        loss.backward()
        grad = t.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return state, flags, grad
