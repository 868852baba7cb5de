"""TorchScript archives written by hand: what is read of them, and what is refused."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import pytest

import plait as torch

CODE = 'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = ["b", ]\n  w : Tensor\n'
NEW_NET = b"c__torch__\nNet\n)\x81"
# Memo 7 is the object, so that a state can hold it.
REMEMBER = b"q\x07"


def tensor(key: str) -> bytes:
    """The opcodes of two float32 values in the storage `key`."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01"
        + key.encode()
        + b"U\x03cpuK\x02tQK\x00(K\x02t(K\x01t\x89ccollections\nOrderedDict\n)RtR"
    )


def archive(state: bytes, code: str = CODE) -> io.BytesIO:
    """A module `Net` with the state that the opcodes make."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("net/data.pkl", b"\x80\x02" + NEW_NET + REMEMBER + state + b"b.")
        file.writestr("net/code/__torch__.py", code)
        file.writestr("net/constants.pkl", b"\x80\x02).")
        for key in "01":
            file.writestr(f"net/data/{key}", struct.pack("<2f", int(key), 5))
    out.seek(0)
    return out


WEIGHTS = b"}(U\x01b" + tensor("0") + b"U\x01w" + tensor("1") + b"U\x08training\x89u"


def test_parameters_and_buffers() -> None:
    loaded = torch.jit.load(archive(WEIGHTS))
    assert {name: value.tolist() for name, value in loaded.state_dict().items()} == {
        "w": [1, 5],
        "b": [0, 5],
    }
    assert [name for name, _ in loaded.named_parameters()] == ["w"]
    assert loaded.original_name == "Net"
    assert not loaded.training
    with pytest.raises(NotImplementedError, match=r"Net.*state_dict\(\)"):
        loaded(1)


def test_a_checkpoint_is_named(tmp_path) -> None:
    torch.save({}, tmp_path / "a.pt")
    with pytest.raises(RuntimeError, match=r"no TorchScript archive.*torch\.load"):
        torch.jit.load(tmp_path / "a.pt")
    with pytest.raises(RuntimeError, match=r"torch\.jit\.load\(f\)\.state_dict\(\)"):
        torch.load(archive(WEIGHTS))


@pytest.mark.parametrize(
    ("state", "code", "kind", "what"),
    [
        (b"](K\x01e", CODE, pickle.UnpicklingError, "a dict of names"),
        (b"}(K\x01K\x02u", CODE, pickle.UnpicklingError, "a dict of names"),
        (b"cos\nsystem\n", CODE, pickle.UnpicklingError, "blocked"),
        (b"cbuiltins\neval\n", CODE, pickle.UnpicklingError, "not an allowed global"),
        (b"c__torch__\nNet\n)R", CODE, pickle.UnpicklingError, "reduce for unrecognized"),
        (b"}", CODE.replace('["w", ]', "[1]"), RuntimeError, "not a list of names"),
        (b"}(U\x04selfh\x07u", CODE, RuntimeError, "contain themselves"),
    ],
)
def test_refusals(state, code, kind, what) -> None:
    with pytest.raises(kind, match=what):
        torch.jit.load(archive(state, code))
