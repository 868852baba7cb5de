"""safetensors files: what is written is read, by the library too, and damage is named."""

from __future__ import annotations

import importlib
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import plait as torch
from plait.io import safetensors

# bfloat16 and complex64 last: NumPy's side of the library does not know them.
NUMPY_DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
NUMPY_DTYPES += ["float16", "float32", "float64"]
DTYPES = [*NUMPY_DTYPES, "bfloat16", "complex64"]


def sample() -> dict[str, torch.Tensor]:
    found = {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in DTYPES}
    found["empty"] = torch.zeros(0, 3)
    found["scalar"] = torch.tensor(2.5)
    return found


def assert_equal(ours: dict, theirs: dict) -> None:
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype
        assert tensor.shape == theirs[name].shape
        assert torch.equal(tensor, theirs[name]), name


def file(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def test_round_trip(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.save_file(sample(), path, metadata={"format": "pt"})
    assert_equal(safetensors.load_file(path), sample())
    data = path.read_bytes()
    assert data == safetensors.save(sample(), {"format": "pt"})
    assert_equal(safetensors.load(data), sample())
    assert struct.unpack("<Q", data[:8])[0] % 8 == 0


def test_loaded_tensors_train_and_change() -> None:
    loaded = safetensors.load(safetensors.save({"w": torch.ones(3)}))["w"]
    loaded += 1
    loaded.requires_grad_()
    (loaded * loaded).sum().backward()
    assert loaded.grad.tolist() == [4, 4, 4]


def test_a_state_dict(tmp_path) -> None:
    torch.manual_seed(0)
    first, second = (torch.nn.Linear(3, 2) for _ in range(2))
    safetensors.save_file(first.state_dict(), tmp_path / "m")
    second.load_state_dict(safetensors.load_file(tmp_path / "m"))
    x = torch.ones(1, 3)
    assert torch.equal(first(x), second(x))


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "shorter than the length"),
        (file({}, length=1 << 60), "claims"),
        (file({"a": F32}, b"1234567"), "the file has"),
        (file({"a": F32}, b"123456789"), "the file has"),
        (file(b"{"), "not JSON"),
        (file(b"[]"), "not a JSON object"),
        (file(b"[" * 100_000), "not JSON"),
        (file(b'{"a":1,"a":2}'), "occurs twice"),
        (file({"a": 1}), "described by"),
        (file({"a": {**F32, "dtype": "F7"}}, b"12345678"), "which Plait lacks"),
        (file({"a": {**F32, "shape": [-2]}}, b"12345678"), "shape or place"),
        (file({"a": {**F32, "shape": [True, 2]}}, b"12345678"), "shape or place"),
        (file({"a": {**F32, "shape": [3]}}, b"12345678"), "needs 12 bytes"),
        (file({"a": {**F32, "data_offsets": [4, 12]}}, b"0" * 12), "begins at 4"),
        (file({"a": F32, "b": F32}, b"12345678"), "begins at 0"),
    ],
)
def test_damaged_files(tmp_path, data, what) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)
    for read in (lambda: safetensors.load(data), lambda: safetensors.load_file(path)):
        with pytest.raises(RuntimeError, match=what):
            read()


def test_what_is_not_written(tmp_path) -> None:
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"non contiguous.*contiguous\(\)"):
        safetensors.save({"x": x.t()})
    with pytest.raises(RuntimeError, match=r"share memory.*clone"):
        safetensors.save({"a": x, "b": x.view(6)})
    with pytest.raises(ValueError, match="names and tensors"):
        safetensors.save({"a": 1})
    with pytest.raises(ValueError, match="no dtype complex128"):
        safetensors.save({"a": torch.zeros(1, dtype=torch.complex128)})
    with pytest.raises(TypeError, match="metadata"):
        safetensors.save({}, {"a": 1})  # pyright: ignore[reportArgumentType]  # the mistake tested
    safetensors.save_file({"x": x}, tmp_path / "x")
    with pytest.raises(ValueError, match="names and tensors"):
        safetensors.save_file({"x": None}, tmp_path / "x")
    assert torch.equal(safetensors.load_file(tmp_path / "x")["x"], x)  # the old file is whole


def test_the_library_reads_them_and_is_read() -> None:
    pytest.importorskip("safetensors", reason="compares with the library")
    library = importlib.import_module("safetensors.numpy")
    foreign = set(DTYPES) - set(NUMPY_DTYPES)
    arrays = {name: tensor.numpy() for name, tensor in sample().items() if name not in foreign}
    tensors = {name: sample()[name] for name in arrays}
    assert_equal(safetensors.load(library.save(arrays)), tensors)
    read = library.load(safetensors.save(tensors))
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_storages_of_files(tmp_path) -> None:
    """What the package safetensors asks of a framework to load a file."""
    path = tmp_path / "bytes"
    path.write_bytes(np.arange(6, dtype=np.float32).tobytes())
    storage = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=24).untyped()
    assert storage.nbytes() == 24
    part = torch.asarray(storage[4:16], dtype=torch.uint8).view(dtype=torch.float32)
    assert part.reshape(3, 1).tolist() == [[1], [2], [3]]
    storage[0] = 9
    assert path.read_bytes()[0] == 0  # the file stays
    shared = torch.UntypedStorage.from_file(str(path), shared=True)
    shared[0] = 9
    assert path.read_bytes()[0] == 9


def test_the_package_reads_and_writes(tmp_path) -> None:
    pytest.importorskip("safetensors", reason="its files are read and written without it, too")
    script = (
        "import torch\n"
        "from safetensors import safe_open\n"
        "from safetensors.torch import load_file, load_model, save_file, save_model\n"
        "net = torch.nn.Linear(3, 4)\n"
        "save_file(net.state_dict(), 'a.safetensors')\n"
        "loaded = load_file('a.safetensors')\n"
        "assert all(torch.equal(loaded[k], v) for k, v in net.state_dict().items())\n"
        "with safe_open('a.safetensors', framework='pt') as file:\n"
        "    assert torch.equal(file.get_slice('weight')[:2, 1:], net.weight[:2, 1:])\n"
        "save_model(net, 'b.safetensors')\n"
        "assert load_model(net, 'b.safetensors') == (set(), [])\n"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "plait", "run", "script.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
