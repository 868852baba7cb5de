"""The meta device: types without values. What is expected is what PyTorch 2.13 gives."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait import nn
from plait.nn import functional as F


def m(*shape: int, **options: Any) -> Any:
    return torch.empty(*shape, device="meta", **options)


VALUES = {
    "device": (
        lambda: (m(2).device, m(2).is_meta, m(2).is_cpu),
        (torch.device("meta"), True, False),
    ),
    "repr": (lambda: repr(m(2, 3)), "tensor(..., device='meta', size=(2, 3))"),
    "repr, dtype": (
        lambda: repr(m(2, dtype=torch.float64, requires_grad=True)),
        "tensor(..., device='meta', size=(2,), dtype=torch.float64, requires_grad=True)",
    ),
    "add": (lambda: (m(2, 3) + m(3)).shape, (2, 3)),
    "number": (lambda: (m(2, dtype=torch.int64) * 1.5).dtype, torch.float32),
    "scalar of the cpu": (lambda: (m(2) + torch.tensor(1.0)).device.type, "meta"),
    "product": (lambda: (m(5, 2, 3) @ m(3, 4)).shape, (5, 2, 4)),
    "cat": (lambda: torch.cat([m(2, 3), m(4, 3)]).shape, (6, 3)),
    "view": (lambda: m(2, 6).view(3, -1).t()[1:, None].shape, (3, 1, 3)),
    "index": (lambda: m(5, 2)[torch.tensor([0, 3, 3])].shape, (3, 2)),
    "several": (lambda: [tuple(x.shape) for x in m(5, 2).max(0)], [(2,), (2,)]),
    "split": (lambda: [tuple(x.shape) for x in m(5).split(2)], [(2,), (2,), (1,)]),
    "conv": (lambda: nn.Conv2d(3, 8, 3, device="meta")(m(1, 3, 9, 9)).shape, (1, 8, 7, 7)),
    "lstm": (lambda: nn.LSTM(4, 6, 2, device="meta")(m(7, 2, 4))[0].shape, (7, 2, 6)),
    "batch norm": (lambda: nn.BatchNorm2d(3, device="meta")(m(2, 3, 4, 4)).shape, (2, 3, 4, 4)),
    "embedding": (
        lambda: nn.Embedding(10, 3, device="meta")(m(2, 5, dtype=torch.int64)).shape,
        (2, 5, 3),
    ),
    "attention": (
        lambda: F.scaled_dot_product_attention(m(2, 4, 7, 8), m(2, 4, 9, 8), m(2, 4, 9, 5)).shape,
        (2, 4, 7, 5),
    ),
    "loss": (lambda: F.cross_entropy(m(4, 3), m(4, dtype=torch.int64)).shape, ()),
    "in place": (lambda: m(2).add_(1).zero_().device.type, "meta"),
    "copy from the cpu": (lambda: m(2).copy_(torch.ones(2)).device.type, "meta"),
    "draws": (
        lambda: [
            x.device.type
            for x in (
                torch.rand(3, device="meta"),
                torch.randn(3, device="meta"),
                torch.randint(5, (3,), device="meta"),
                torch.randperm(3, device="meta"),
                torch.normal(0.0, 1.0, (3,), device="meta"),
                torch.rand_like(m(3)),
                nn.init.trunc_normal_(m(3)),
                nn.init.kaiming_uniform_(m(3, 3)),
            )
        ],
        ["meta"] * 8,
    ),
    "like": (
        lambda: [
            x.device.type
            for x in (
                torch.zeros_like(m(2)),
                m(2).new_ones(3),
                m(2).clone(),
                m(2).detach(),
                torch.empty_like(m(2), device="cpu"),
                torch.arange(3, device="meta"),
                torch.tensor([1.0], device="meta"),
                torch.as_tensor([1.0], device="meta"),
                torch.ones(2).to("meta"),
                torch.ones(2).to(m(1)),
                m(2).to(torch.float64),
            )
        ],
        ["meta"] * 4 + ["cpu"] + ["meta"] * 6,
    ),
    "parameters": (
        lambda: [
            (name, p.is_meta, isinstance(p, nn.Parameter), p.requires_grad, tuple(p.shape))
            for name, p in nn.Linear(2, 3, device="meta").named_parameters()
        ],
        [("weight", True, True, True, (3, 2)), ("bias", True, True, True, (3,))],
    ),
    "a large model": (
        lambda: sum(p.numel() for p in nn.Linear(10**6, 10**6, device="meta").parameters()),
        10**12 + 10**6,
    ),
    "deepcopy": (
        lambda: [
            (type(p).__name__ != "Tensor", p.is_meta, p.requires_grad)
            for p in copy.deepcopy(nn.Linear(1, 1, device="meta")).parameters()
        ],
        [(True, True, True)] * 2,
    ),
    "pickle": (lambda: pickle.loads(pickle.dumps(m(2, 3))).shape, (2, 3)),
    "state": (lambda: nn.Linear(1, 1, device="meta").state_dict()["weight"].is_meta, True),
    "module to meta": (lambda: nn.Linear(1, 1).to("meta").weight.is_meta, True),
    "autograd": (lambda: (m(2, requires_grad=True) * 2).requires_grad, True),
    "no autograd": (lambda: (m(2) * 2).requires_grad, False),
    "model": (
        lambda: torch.vision.models.resnet18().to("meta")(m(2, 3, 64, 64)).shape,
        (2, 1000),
    ),
}

FAULTS = {
    "item": (lambda: m(1).item(), RuntimeError, r"item\(\) cannot be called on meta tensors"),
    "bool": (lambda: bool(m(1)), RuntimeError, r"item\(\) cannot be called on meta tensors"),
    "tolist": (lambda: m(2).tolist(), NotImplementedError, "Cannot copy out of meta tensor"),
    "numpy": (lambda: m(2).numpy(), TypeError, "can't convert meta device type tensor to numpy"),
    "cpu": (lambda: m(2).cpu(), NotImplementedError, "Cannot copy out of meta tensor"),
    "to": (lambda: m(2).to("cpu"), NotImplementedError, "Cannot copy out of meta tensor"),
    "to cuda": (lambda: m(2).to("cuda"), AssertionError, "not compiled with CUDA"),
    "copy": (lambda: torch.ones(2).copy_(m(2)), NotImplementedError, "Cannot copy out of meta"),
    "mixed": (lambda: m(2) + torch.ones(2), RuntimeError, "device cpu is not on the expected"),
    "mixed, reversed": (lambda: torch.ones(2) + m(2), RuntimeError, "not on the expected device"),
    "product": (lambda: m(2, 3) @ m(4, 4), RuntimeError, "shapes cannot be multiplied"),
    "in place": (lambda: m(2).add_(m(3, 2)), RuntimeError, "doesn't match the broadcast shape"),
    "nonzero": (lambda: m(3).nonzero(), NotImplementedError, "no data"),
    "module": (
        lambda: nn.Linear(2, 3, device="meta").to("cpu"),
        NotImplementedError,
        r"use torch.nn.Module.to_empty\(\) instead",
    ),
    "leaf": (
        lambda: m(2, requires_grad=True).add_(1),
        RuntimeError,
        "a leaf Variable that requires grad",
    ),
    "backward": (lambda: m(1).backward(), RuntimeError, "does not require grad"),
    "backward of many": (
        lambda: (m(2, requires_grad=True) * 2).backward(),
        RuntimeError,
        "only for scalar outputs",
    ),
    "grad": (
        lambda: torch.autograd.grad((x := m(2, requires_grad=True)).sum(), [x]),
        NotImplementedError,
        "",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_value(name: str) -> None:
    call, expected = VALUES[name]
    found = call()
    assert found == expected


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str) -> None:
    call, kind, words = FAULTS[name]
    with pytest.raises(kind, match=words):
        call()


def test_nothing_is_drawn() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    nn.Transformer(16, 2, 1, 1, 32, device="meta")
    torch.rand(5, device="meta")
    assert torch.equal(torch.get_rng_state(), before)


def test_context_and_default() -> None:
    with torch.device("meta"):
        layer, plain = nn.Linear(2, 3), torch.zeros(3, device="cpu")
        with torch.device("cpu"):
            assert torch.ones(1).device.type == "cpu"
        assert torch.get_default_device() == torch.device("meta")
    assert layer.weight.is_meta and not plain.is_meta
    assert not torch.zeros(1).is_meta
    torch.set_default_device("meta")
    try:
        assert torch.zeros(1).is_meta and nn.Conv1d(1, 1, 1).weight.is_meta
    finally:
        torch.set_default_device(None)
    assert torch.get_default_device() == torch.device("cpu")


def test_backward_gives_gradients_their_types() -> None:
    net = nn.Sequential(nn.Linear(2, 3, device="meta"), nn.ReLU(), nn.Linear(3, 1, device="meta"))
    net[0].bias.requires_grad_(False)
    net(m(5, 2)).sum().backward()
    assert [p.grad is not None for p in net.parameters()] == [True, False, True, True]
    assert all(p.grad.is_meta and p.grad.shape == p.shape for p in net[2].parameters())


def test_from_meta_to_memory() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net.to_empty(device="cpu")
    assert all(not t.is_meta for t in net.state_dict().values())
    assert all(type(p) is nn.Parameter and p.requires_grad for p in net.parameters())
    assert net(torch.ones(4, 2)).shape == (4, 2)


def test_assigned_state() -> None:
    state = {"weight": torch.ones(2, 2), "bias": torch.zeros(2)}
    layer = nn.Linear(2, 2, device="meta")
    with pytest.warns(UserWarning, match="for weight: copying from a non-meta parameter"):
        layer.load_state_dict(state)
    assert layer.weight.is_meta
    layer.load_state_dict(state, assign=True)
    assert layer(torch.ones(1, 2)).tolist() == [[2.0, 2.0]]
    np.testing.assert_array_equal(layer.weight.detach().numpy(), np.ones((2, 2)))


def test_compiled_functions_take_and_give_meta_tensors() -> None:
    weight = torch.empty(4, 2, device="meta")
    double = torch.compile(lambda x: (x * 2 + 1).sum(0))
    product = torch.compile(lambda x: x @ weight)
    made = torch.compile(lambda x: torch.empty(2, 3, device="meta"))
    layer = torch.compile(torch.nn.Linear(4, 2, device="meta"))
    m = torch.empty(3, 4, device="meta").requires_grad_()
    for _ in range(3):
        assert double(m).is_meta and double(m).shape == (4,)
        assert double(torch.ones(3, 4)).tolist() == [9.0] * 4
        assert product(m).is_meta and product(m).shape == (3, 2)
        assert made(torch.ones(1)).is_meta
        assert layer(m).is_meta and layer(m).requires_grad
        m.grad = None
        double(m).sum().backward()
        assert m.grad.is_meta and m.grad.shape == (3, 4)
