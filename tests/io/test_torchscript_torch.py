"""Weights of TorchScript archives that PyTorch wrote."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="it writes the archives")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.layers = torch.nn.ModuleList([torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2, False)])
        self.register_buffer("scale", torch.arange(2.0))
        self.sizes = [1, 2]
        self.free = torch.ones(1)

    def forward(self, x):
        return self.linear(x) * 2


def archive(traced: bool) -> tuple:
    torch.manual_seed(0)
    net = Net().eval()
    made = torch.jit.trace(net, torch.ones(1, 2)) if traced else torch.jit.script(net)
    buffer = io.BytesIO()
    torch.jit.save(made, buffer)
    buffer.seek(0)
    return made, buffer


@pytest.mark.parametrize("traced", [False, True])
def test_the_state_dict_is_pytorchs(traced) -> None:
    theirs, buffer = archive(traced)
    ours = plait.jit.load(buffer)
    assert not ours.training
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), value.numpy())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    linear = plait.nn.Linear(2, 3)
    linear.load_state_dict(ours.linear.state_dict())
    with pytest.raises(NotImplementedError, match=r"code of .*Net.*state_dict"):
        ours(plait.ones(1, 2))


def test_refusals(tmp_path) -> None:
    _, buffer = archive(False)
    with pytest.raises(RuntimeError, match=r"TorchScript archive.*torch\.jit\.load"):
        plait.load(buffer)
    plait.save({"a": plait.ones(1)}, tmp_path / "a.pt")
    with pytest.raises(RuntimeError, match=r"no TorchScript archive.*torch\.load"):
        plait.jit.load(tmp_path / "a.pt")


def test_names_beyond_the_archive_are_refused() -> None:
    _, buffer = archive(False)
    source = zipfile.ZipFile(buffer)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                data = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
            target.writestr(name, data)
    with pytest.raises(pickle.UnpicklingError, match="blocked"):
        plait.jit.load(changed)
