"""`torch.jit.save` and `load`: a module comes back as it was, made of classes that are here."""

from __future__ import annotations

import io
import pickle
import sys

import pytest

import plait as torch
from plait import nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, width), nn.BatchNorm1d(width)])
        self.scale, self.names = 3, {"a": [1, None], "b": (2.5, "x")}
        self.register_buffer("b", torch.ones(2))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x.relu() * self.scale


def saved(module) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(3, 2))])
def test_round_trip(make, tmp_path) -> None:
    net = make(Net(4))
    x = torch.randn(3, 2)
    net(x)
    net.eval()
    net.layers[0].bias.requires_grad_(False)
    net.save(tmp_path / "net.pt")
    again = torch.jit.load(tmp_path / "net.pt")
    assert type(again) is Net and not again.training
    assert torch.equal(again(x), net(x))
    assert (again.scale, again.names) == (3, {"a": [1, None], "b": (2.5, "x")})
    assert [p.requires_grad for p in again.parameters()] == [True, False, True, True]
    assert list(again.state_dict()) == list(net.state_dict())


def test_what_script_gives_is_a_script_module() -> None:
    net, other = Net(2), Net(2)
    assert torch.jit.script(net) is net
    assert isinstance(net, torch.jit.ScriptModule) and isinstance(net, nn.Module)
    assert not isinstance(other, torch.jit.ScriptModule)
    assert not isinstance(3, torch.jit.ScriptModule)
    assert not hasattr(other, "save")


def test_a_class_that_is_not_here(monkeypatch) -> None:
    buffer = saved(Net(2))
    monkeypatch.delattr(sys.modules[__name__], "Net")
    with pytest.raises(RuntimeError, match=r"the file needs \S+\.Net, which this process has not"):
        torch.jit.load(buffer)


def test_nothing_else_is_called() -> None:
    """Only classes of modules are built, whatever the file names."""

    class Evil:
        def __reduce__(self):
            return eval, ("1/0",)

    net = Net(2)
    net.evil = Evil()
    with pytest.raises(RuntimeError, match="eval, which this process has not defined as classes"):
        torch.jit.load(saved(net))
    assert torch.serialization.get_safe_globals() == []


def test_what_is_no_module() -> None:
    with pytest.raises(NotImplementedError, match=r"torch\.jit\.save of a function"):
        torch.jit.save(torch.jit.script(lambda x: x), io.BytesIO())
    with pytest.raises(NotImplementedError, match="_extra_files"):
        torch.jit.save(Net(1), io.BytesIO(), {"a": ""})
    buffer = io.BytesIO()
    torch.save({"a": 1}, buffer)
    buffer.seek(0)
    with pytest.raises(RuntimeError, match=r"holds a dict, no module; torch\.load"):
        torch.jit.load(buffer)
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        torch.jit.load(io.BytesIO(b"no archive"))


def test_a_module_made_of_script_module() -> None:
    class Scaled(torch.jit.ScriptModule):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(3.0))

        @torch.jit.script_method
        def forward(self, x):
            return x * self.factor

    net = Scaled()
    assert net(torch.tensor(2.0)).item() == 6.0
    assert [name for name, _ in net.named_parameters()] == ["factor"]
    assert isinstance(net, torch.jit.ScriptModule) and isinstance(net, nn.Module)
    assert not isinstance(torch.jit.script(Net(2)), Scaled)
