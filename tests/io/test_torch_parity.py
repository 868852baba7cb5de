"""Files of Plait read by PyTorch, and files of PyTorch read by Plait."""

import io
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import numpy_bridge as nb
import pytest

from plait.io.dtypes import DTYPE_NAMES, UNTYPED_DTYPES

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

CLASSIC = [name for name in DTYPE_NAMES if name not in UNTYPED_DTYPES]


def sample(dtype, shape):
    rng = np.random.default_rng(7)
    values = rng.integers(0, 2 if dtype == "bool" else 100, size=shape)
    return np.asarray(values, dtype=nb.numpy_dtype(dtype))


def bits(array):
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).tobytes()


def torch_bits(tensor):
    return bits(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())


def to_torch(files, obj, **options):
    buffer = io.BytesIO()
    files.save(obj, buffer, **options)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def from_torch(files, obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    buffer.seek(0)
    return files.load(buffer, **options)


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_torch_reads_every_dtype(files, dtype, shape):
    array = sample(dtype, shape)
    loaded = to_torch(files, {"t": nb.tensor(array)})["t"]
    assert str(loaded.dtype) == f"torch.{dtype}"
    assert tuple(loaded.shape) == shape
    assert loaded.is_contiguous()
    assert torch_bits(loaded) == bits(array)


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_plait_reads_every_dtype(files, dtype, shape):
    tensor = torch.arange(24).to(getattr(torch, dtype))[: int(np.prod(shape))].clone()
    tensor = tensor.reshape(shape)
    loaded = from_torch(files, [tensor])[0]
    assert loaded.dtype_name == dtype
    assert loaded.size == shape
    assert bits(loaded.array()) == torch_bits(tensor)
    loaded.flat[...] = 0  # writable


def test_containers_and_scalars_both_ways(files):
    class_free = {
        "int": 3,
        "big": 1 << 70,
        "negative": -(1 << 40),
        "float": 1.5,
        "nan": float("inf"),
        "text": "grün\n",
        "none": None,
        "flags": [True, False],
        "bytes": b"\x00\xff",
        "empty bytes": b"",
        "bytearray": bytearray(b"ab"),
        "set": {1, 2},
        "complex": 1 - 2j,
        "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "ordered": OrderedDict([("b", 1), ("a", [])]),
        "counter": Counter("hello"),
        5: {"nested": [{"deep": ("x", None)}]},
    }
    assert to_torch(files, class_free) == class_free
    del class_free["empty bytes"]  # PyTorch writes it so that its own restricted load fails
    loaded = from_torch(files, class_free)
    assert loaded == class_free
    assert type(loaded["ordered"]) is OrderedDict
    assert type(loaded["counter"]) is Counter


def test_sizes_dtypes_devices_both_ways(files):
    ours = {
        "size": nb.Size((2, 3)),
        "dtype": nb.DTYPES["bfloat16"],
        "devices": [nb.Device("cpu"), nb.Device("cuda", 1)],
    }
    loaded = to_torch(files, ours)
    assert loaded["size"] == torch.Size((2, 3)) and type(loaded["size"]) is torch.Size
    assert loaded["dtype"] is torch.bfloat16
    assert loaded["devices"] == [torch.device("cpu"), torch.device("cuda:1")]
    back = from_torch(files, loaded)
    assert type(back["size"]) is nb.Size and tuple(back["size"]) == (2, 3)
    assert back["dtype"] is nb.DTYPES["bfloat16"]
    assert back["devices"] == ours["devices"]


def test_shared_storage_and_views_reach_torch(files):
    base = nb.tensor(np.arange(12.0, dtype=np.float32))
    column = nb.view(base, 1, (4,), (3,))
    transposed = nb.view(base, 0, (3, 4), (1, 3))
    loaded = to_torch(files, {"a": base, "c": column, "t": transposed, "again": base})
    assert loaded["a"] is loaded["again"]
    assert loaded["c"].tolist() == [1, 4, 7, 10]
    assert loaded["t"].stride() == (1, 3)
    loaded["a"].fill_(5)
    assert loaded["c"].tolist() == [5, 5, 5, 5]
    assert loaded["t"].sum() == 60


def test_shared_storage_and_views_come_from_torch(files):
    base = torch.arange(12.0)
    views = [base, base[1::3], base.view(4, 3).T, base.view(4, 3)[1:, :2], base[:1].expand(5)]
    loaded = from_torch(files, views)
    for ours, theirs in zip(loaded, views):
        assert ours.size == tuple(theirs.shape) and ours.stride == theirs.stride()
        assert np.array_equal(ours.array(), theirs.numpy())
    loaded[0].flat[:] = 9
    assert all((t.array() == 9).all() for t in loaded)


def test_parameters_and_gradients_flags(files):
    plain = nb.tensor(np.ones(2, np.float32), requires_grad=True)
    frozen = nb.make_parameter(nb.tensor(np.ones(2, np.float32)), False)
    trained = nb.make_parameter(nb.tensor(np.ones(2, np.float32)), True)
    loaded = to_torch(files, [plain, frozen, trained, trained])
    assert [type(t) for t in loaded] == [torch.Tensor] + [torch.nn.Parameter] * 3
    assert [t.requires_grad for t in loaded] == [True, False, True, True]
    assert loaded[2] is loaded[3]
    back = from_torch(files, loaded)
    assert [type(t) for t in back] == [nb.Tensor] + [nb.Parameter] * 3
    assert [t.requires_grad for t in back] == [True, False, True, True]
    assert back[2] is back[3]


def test_attributes_travel(files):
    tensor, parameter = nb.tensor([1.0]), nb.make_parameter(nb.tensor([1.0]), True)
    tensor.extra, parameter.extra = {"tag": "a"}, {"tag": "b"}
    loaded = to_torch(files, [tensor, parameter])
    assert [t.tag for t in loaded] == ["a", "b"]
    back = from_torch(files, loaded)
    assert [t.extra for t in back] == [{"tag": "a"}, {"tag": "b"}]


def test_conjugate_and_negative_bits(files):
    z = torch.tensor([1 + 2j, 3 - 1j])
    loaded = [from_torch(files, t) for t in (z.conj(), z.conj().imag)]
    assert np.array_equal(loaded[0].array(), z.numpy().conj())
    assert np.array_equal(loaded[1].array(), z.conj().imag.resolve_neg().numpy())


def test_state_dicts_both_ways(files):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    )
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    ours = from_torch(files, state)
    assert list(ours["model"]) == list(state["model"])
    assert ours["model"]._metadata == state["model"]._metadata
    assert ours["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]
    theirs = to_torch(files, ours)
    fresh = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    )
    fresh.load_state_dict(theirs["model"])
    torch.optim.Adam(fresh.parameters()).load_state_dict(theirs["optimizer"])
    for key, value in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value)


def test_file_is_laid_out_as_torchs(files, tmp_path):
    state = OrderedDict(w=torch.ones(3, 2), b=torch.zeros(3, dtype=torch.bfloat16), n=b"x")
    theirs, ours = tmp_path / "theirs.v1.pt", tmp_path / "ours.v1.pt"
    torch.save(state, theirs)
    files.save(files.load(theirs), ours)
    a, b = zipfile.ZipFile(theirs), zipfile.ZipFile(ours)
    names = [n.replace("theirs", "ours") for n in a.namelist()]
    assert b.namelist() == names and names[0] == "ours.v1/data.pkl"
    for old, new in zip(a.namelist(), names):
        if not old.endswith("serialization_id"):
            assert a.read(old) == b.read(new), new


def test_pickle_bytes_equal_torchs(files):
    objects = {
        "t": torch.arange(6).reshape(2, 3).T,
        "shared": [torch.zeros(2)] * 2,
        "p": torch.nn.Parameter(torch.zeros(2)),
        "misc": (torch.Size([1, 2]), torch.float32, torch.device("cpu"), {1}, b"abc", 1j, 1 << 70),
        "unsigned": torch.zeros(3, dtype=torch.uint16),
        "state": torch.nn.Linear(2, 2).state_dict(),
    }
    buffer, again = io.BytesIO(), io.BytesIO()
    torch.save(objects, buffer)
    files.save(files.load(io.BytesIO(buffer.getvalue())), again)
    ours, theirs = (zipfile.ZipFile(b).read("archive/data.pkl") for b in (again, buffer))
    assert ours == theirs


def test_later_protocols(files):
    state = {"t": nb.tensor([1.0, 2.0]), "b": b"ab", "s": {1, 2}}
    for protocol in (3, 4, 5):
        buffer = io.BytesIO()
        files.save(state, buffer, pickle_protocol=protocol)
        loaded = torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
        assert loaded["t"].tolist() == [1.0, 2.0] and loaded["b"] == b"ab"
        loaded = files.load(io.BytesIO(buffer.getvalue()))
        assert loaded["t"].array().tolist() == [1.0, 2.0] and loaded["s"] == {1, 2}


@pytest.mark.parametrize("weights_only", [True, False])
def test_legacy_files_are_read(files, tmp_path, weights_only):
    base = torch.arange(6.0)
    state = {"a": base, "v": base[2:4], "i": torch.ones(2, 2, dtype=torch.int64), "n": 1}
    state["p"] = torch.nn.Parameter(torch.tensor([True, False]), requires_grad=False)
    path = tmp_path / "old.pt"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    loaded = files.load(path, weights_only=weights_only)
    for key in ("a", "v", "i", "p"):
        assert np.array_equal(loaded[key].array(), state[key].detach().numpy())
    loaded["a"].flat[:] = 0
    assert (loaded["v"].array() == 0).all()


@pytest.mark.parametrize("dtype", CLASSIC)
def test_torch_reads_old_files(files, tmp_path, dtype):
    base = nb.tensor(sample(dtype, (6,)))
    state = {"a": base, "v": nb.view(base, 2, (2, 2), (2, 1)), "n": 1, "e": nb.tensor([])}
    files.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    loaded = torch.load(tmp_path / "old.pt", weights_only=True)
    assert torch_bits(loaded["a"]) == bits(base.array())
    assert torch_bits(loaded["v"]) == bits(state["v"].array())
    assert loaded["a"].untyped_storage().data_ptr() == loaded["v"].untyped_storage().data_ptr()
    assert loaded["n"] == 1 and loaded["e"].numel() == 0


@pytest.mark.parametrize("saved", ["list", "tensor"])
def test_numpy_values_need_the_users_consent(files, saved):
    obj = [np.float64(1.5)] if saved == "list" else {"a": np.arange(3)}
    with pytest.raises(Exception, match="numpy") as theirs:
        buffer = io.BytesIO()
        torch.save(obj, buffer)
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    with pytest.raises(type(theirs.value), match="Unsupported global: GLOBAL numpy"):
        files.load(io.BytesIO(buffer.getvalue()))


def test_numpy_scalar_with_consent(files):
    from plait.io import safe_globals

    allowed = [np._core.multiarray.scalar, np.dtype, type(np.dtype(np.float64))]
    buffer = io.BytesIO()
    torch.save({"a": np.float64(1.5)}, buffer)
    with safe_globals(allowed):
        assert files.load(io.BytesIO(buffer.getvalue())) == {"a": 1.5}
    buffer = io.BytesIO()
    files.save({"a": np.float64(2.5)}, buffer)
    with torch.serialization.safe_globals(allowed):
        assert torch.load(io.BytesIO(buffer.getvalue())) == {"a": 2.5}


@pytest.mark.parametrize("kind", ["unknown", "builtin", "blocked"])
def test_refusals_in_torchs_words(files, kind):
    import os

    obj = {"unknown": torch.nn.Linear(1, 1), "builtin": [print], "blocked": [os.system]}[kind]
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    with pytest.raises(Exception) as theirs:
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    with pytest.raises(type(theirs.value)) as ours:
        files.load(io.BytesIO(buffer.getvalue()))
    head = str(theirs.value).split("\n\nCheck the documentation")[0]
    # The user's line follows PyTorch's words.
    assert str(ours.value).partition("\n  at ")[0] == head
