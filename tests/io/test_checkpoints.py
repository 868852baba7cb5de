"""Saving and loading: round trips, sharing, places, layout of the file, writes that fail."""

import collections
import io
import os
import pickle
import stat
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import numpy_bridge as nb
import pytest

from plait.io.storage import Storage
from plait.io.torch_zip import ALIGNMENT, LOCAL_HEADER, ArchiveReader, ArchiveWriter


def saved(files, obj, **options):
    buffer = io.BytesIO()
    files.save(obj, buffer, **options)
    return io.BytesIO(buffer.getvalue())


def rewritten(data, change, compression=zipfile.ZIP_STORED):
    """An archive with its records passed through `change(name, bytes)`; None drops one."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            content = change(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return io.BytesIO(out.getvalue())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("weights_only", [True, False])
def test_round_trip(files, protocol, weights_only):
    base = nb.tensor(np.arange(6, dtype=np.float32))
    obj = {
        "shared": [base, nb.view(base, 2, (2,), (1,))],
        "p": nb.make_parameter(nb.tensor([1.0]), True),
        "size": nb.Size((1, 2)),
        "device": nb.Device("cpu"),
        "plain": (1, 2.5, None, True, "é", b"", b"x", {3}, -(1 << 90), collections.Counter("aab")),
        "unsigned": nb.tensor(np.array([1, 65535], np.uint16)),
    }
    loaded = files.load(saved(files, obj, pickle_protocol=protocol), weights_only=weights_only)
    assert loaded["plain"] == obj["plain"]
    assert loaded["size"] == (1, 2) and type(loaded["size"]) is nb.Size
    assert loaded["device"] == nb.Device("cpu")
    assert type(loaded["p"]) is nb.Parameter and loaded["p"].requires_grad
    assert loaded["unsigned"].array().tolist() == [1, 65535]
    first, second = loaded["shared"]
    first.flat[:] = 9
    assert second.array().tolist() == [9, 9]


def test_shared_objects_stay_shared(files):
    inner = [1]
    loaded = files.load(saved(files, {"a": inner, "b": inner}))
    assert loaded["a"] is loaded["b"]


def test_an_object_may_contain_itself(files):
    ring = []
    ring.append(ring)
    loaded = files.load(saved(files, ring))
    assert loaded[0] is loaded


def test_one_storage_as_two_types_is_refused(files):
    base = nb.tensor(np.zeros(4, np.float32))
    other = nb.Tensor(base.flat, "int32", 0, (4,), (1,))
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        files.save([base, other], io.BytesIO())


# Layout


def test_payloads_are_aligned_and_stored(files, tmp_path):
    path = tmp_path / "a.name.pt"
    files.save({str(n): nb.tensor(np.zeros(n, np.float32)) for n in range(5)}, path)
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            header = LOCAL_HEADER.unpack_from(raw, info.header_offset)
            begin = info.header_offset + LOCAL_HEADER.size + header[-2] + header[-1]
            assert begin % ALIGNMENT == 0
        assert archive.testzip() is None
    assert {n.partition("/")[0] for n in names} == {"a.name"}
    assert names[0] == "a.name/data.pkl" and "a.name/data/4" in names


def test_equal_content_gives_equal_bytes(files):
    obj = {"t": nb.tensor([1.0, 2.0])}
    assert saved(files, obj).getvalue() == saved(files, obj).getvalue()


def test_alignment_holds_for_entries_with_wide_sizes(monkeypatch):
    from plait.io import torch_zip

    monkeypatch.setattr(torch_zip, "_ZIP64_FROM", 100)  # as from a gigabyte on
    buffer = io.BytesIO()
    with ArchiveWriter(buffer, "archive") as writer:
        writer.write("data.pkl", b"x")
        writer.write("data/0", bytes(300))
    reader = ArchiveReader(buffer, "test")
    assert reader.payload_offset("data/0") % ALIGNMENT == 0
    assert reader.read("data/0") == bytes(300)


def test_a_stream_that_cannot_seek_is_written(files):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, chunk):
            self.data += bytes(chunk)
            return len(chunk)

    pipe = Pipe()
    files.save({"t": nb.tensor([1.0])}, pipe)
    assert files.load(io.BytesIO(pipe.data))["t"].array().tolist() == [1.0]


def test_repacked_compressed_archives_load(files):
    data = saved(files, {"t": nb.tensor(np.arange(50.0))}).getvalue()
    repacked = rewritten(data, lambda name, content: content, zipfile.ZIP_DEFLATED)
    assert files.load(repacked)["t"].array().tolist() == list(range(50))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "complex64", "bool"])
def test_the_other_byte_order(files, dtype):
    other = {"little": b"big", "big": b"little"}[sys.byteorder]
    values = np.array([1, 0, 1], nb.numpy_dtype(dtype))
    unit = np.dtype(np.uint16) if dtype == "bfloat16" else values.dtype

    def swap(name, content):
        if name == "byteorder":
            return other
        if name == "data/0":
            return np.frombuffer(content, unit).byteswap().tobytes()
        return content

    data = saved(files, {"t": nb.tensor(values)}).getvalue()
    assert np.array_equal(files.load(rewritten(data, swap))["t"].array(), values)


# Paths


def test_a_failing_save_leaves_the_old_file(files, tmp_path):
    path = tmp_path / "model.pt"
    files.save({"a": 1}, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        files.save({"a": lambda: None}, path)
    assert files.load(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_failing_write_leaves_the_old_file(files, tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    files.save({"a": 1}, path)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.save({"a": 2}, path)
    assert files.load(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["model.pt"]


def test_mode_and_symlink_of_the_old_file_are_kept(files, tmp_path):
    path, link = tmp_path / "model.pt", tmp_path / "latest.pt"
    files.save(1, path)
    path.chmod(0o640)
    link.symlink_to(path)
    files.save(2, link)
    assert link.is_symlink() and files.load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_missing_folder_and_directories(files, tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .*nowhere does not exist"):
        files.save(1, tmp_path / "nowhere" / "a.pt")
    with pytest.raises(IsADirectoryError):
        files.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        files.load(tmp_path / "none.pt")


def test_devices_are_written_in_place(files):
    files.save(1, "/dev/null")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("weights_only", [True, False])
def test_old_format(files, tmp_path, weights_only):
    base = nb.tensor(np.arange(6, dtype=np.float32))
    obj = {
        "shared": [base, nb.view(base, 2, (2,), (1,))],
        "other": [nb.tensor(np.array([k], np.int64)) for k in range(12)],  # "10" sorts before "2"
        "plain": (1, "é", None),
    }
    files.save(obj, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(tmp_path / "a.pt")
    loaded = files.load(tmp_path / "a.pt", weights_only=weights_only)
    assert loaded["plain"] == obj["plain"]
    assert [t.array().tolist() for t in loaded["other"]] == [[k] for k in range(12)]
    first, second = loaded["shared"]
    first.flat[:] = 9
    assert second.array().tolist() == [9, 9]


def test_wrong_arguments(files):
    with pytest.raises(AttributeError, match="path or a file"):
        files.save(1, 5)
    with pytest.raises(AttributeError, match="path or a binary file"):
        files.load(5)
    with pytest.raises(ValueError, match="pickle_protocol must be 2 to"):
        files.save(1, io.BytesIO(), pickle_protocol=1)
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        files.load(io.BytesIO(), pickle_module=pickle, weights_only=True)
    with pytest.warns(UserWarning, match="pickle_load_args"):
        files.load(saved(files, 1), errors="strict")


def test_mmap_shares_pages_and_not_writes(files, tmp_path):
    path = tmp_path / "a.pt"
    files.save({"t": nb.tensor(np.arange(4.0))}, path)
    loaded = files.load(path, mmap=True)["t"]
    assert loaded.array().tolist() == [0, 1, 2, 3]
    loaded.flat[:] = 7
    assert files.load(path)["t"].array().tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="must be a file path"):
        files.load(io.BytesIO(path.read_bytes()), mmap=True)


# Places


def on_cuda(files):
    """A checkpoint whose storage is tagged with a CUDA device."""
    data = saved(files, {"t": nb.tensor([1.0])}).getvalue()
    old, new = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:1"
    return rewritten(data, lambda n, c: c.replace(old, new) if n == "data.pkl" else c).getvalue()


def test_cuda_storages_need_a_place(files):
    data = on_cuda(files)
    with pytest.raises(RuntimeError, match=r"Attempting to deserialize object on a CUDA device"):
        files.load(io.BytesIO(data))
    places = ["cpu", b"cpu", nb.Device("cpu"), {"cuda:1": "cpu"}, lambda storage, tag: storage]
    for place in places:
        assert files.load(io.BytesIO(data), map_location=place)["t"].array().tolist() == [1]
    for place in ["cuda", "cuda:0", {"cuda:0": "cpu"}, nb.Device("cuda", 0), lambda s, t: None]:
        with pytest.raises(RuntimeError, match="CUDA device"):
            files.load(io.BytesIO(data), map_location=place)
    with pytest.raises(RuntimeError, match=r"tagged with mps"):
        files.load(io.BytesIO(data), map_location="mps")


def test_map_location_callables(files):
    seen = []

    def place(storage, tag):
        seen.append((type(storage), tag))
        return storage.cpu()

    files.load(io.BytesIO(on_cuda(files)), map_location=place)
    assert seen == [(Storage, "cuda:1")]
    with pytest.raises(TypeError, match="must return the storage or None, got int"):
        files.load(io.BytesIO(on_cuda(files)), map_location=lambda s, t: 5)
    with pytest.raises(TypeError, match="map_location must be"):
        files.load(saved(files, 1), map_location=5)
    with pytest.raises(RuntimeError, match="cannot be moved to a CUDA device"):
        files.load(io.BytesIO(on_cuda(files)), map_location=lambda s, t: s.cuda())


# Whole objects


@pytest.fixture
def linear(monkeypatch):
    """A module class as Plait's own are: in a package that mirrors PyTorch's."""
    module = types.ModuleType("plait.nn.sample")
    linear = type("Linear", (), {"__module__": module.__name__})
    module.Linear = linear
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return linear


def test_whole_objects_bear_pytorchs_names(files, linear):
    obj = linear()
    obj.weight = nb.tensor([1.0])
    data = saved(files, obj)
    pickled = zipfile.ZipFile(data).read("archive/data.pkl")
    assert b"ctorch.nn.sample\nLinear\n" in pickled
    loaded = files.load(io.BytesIO(data.getvalue()), weights_only=False)
    assert type(loaded) is linear and loaded.weight.array().tolist() == [1.0]
    assert files.get_unsafe_globals_in_checkpoint(data) == ["torch.nn.sample.Linear"]


def test_whole_objects_load_restricted_when_allowed(files, linear):
    from plait.io import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

    obj = linear()
    obj.weight = nb.tensor([1.0])
    data = saved(files, obj).getvalue()
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL torch\.nn\.sample\.Linear was not"):
        files.load(io.BytesIO(data))
    for allowed in (linear, (linear, "torch.nn.sample.Linear")):
        with safe_globals([allowed]):
            assert type(files.load(io.BytesIO(data))) is linear
            assert files.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == []
    assert get_safe_globals() == []
    add_safe_globals([linear])
    assert get_safe_globals() == [linear]
    assert files.load(io.BytesIO(data)).weight.array().tolist() == [1.0]
    clear_safe_globals()
    assert get_safe_globals() == []
    with pytest.raises(ValueError, match="tuple of length 2"):
        add_safe_globals([(linear,)])
    with pytest.raises(TypeError, match="str of callable full path"):
        add_safe_globals([(linear, 5)])


def test_names_that_plait_lacks_are_named(files):
    out = io.BytesIO()
    with ArchiveWriter(out, "archive") as archive:
        archive.write("data.pkl", b"\x80\x02ctorch.nn.modules.rnn\nNoSuchCell\n)R.")
    with pytest.raises(pickle.UnpicklingError, match=r"needs torch\.nn\.modules\.rnn\.NoSuchCell"):
        files.load(io.BytesIO(out.getvalue()), weights_only=False)


# The old format, written by hand as PyTorch 1.5 did


THREE_FLOATS = struct.pack("<q3f", 3, 1, 2, 3)


def old_file(data=THREE_FLOATS, keys=("1",), count=b"K\x03"):
    pickles = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)]
    pickles.append(pickle.dumps({"little_endian": True, "protocol_version": 1001}, 2))
    pickles.append(
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
        b"FloatStorage\nX\x01\x00\x00\x001X\x03\x00\x00\x00cpu" + count + b"NtQK\x01K\x02\x85"
        b"K\x01\x85\x89ccollections\nOrderedDict\n)RtR."
    )
    pickles.append(pickle.dumps(list(keys), 2))
    return io.BytesIO(b"".join(pickles) + data)


@pytest.mark.parametrize("weights_only", [True, False])
def test_old_files(files, weights_only):
    loaded = files.load(old_file(), weights_only=weights_only)
    assert loaded.array().tolist() == [2, 3]


def test_broken_old_files(files):
    cases = [
        (old_file(data=struct.pack("<q2f", 3, 1, 2)), RuntimeError, "truncated"),
        (old_file(data=struct.pack("<q", 1 << 60)), RuntimeError, "truncated"),
        (old_file(data=struct.pack("<q", -1)), RuntimeError, "truncated"),
        (old_file(keys=("2",)), pickle.UnpicklingError, "belongs to no tensor"),
        (old_file(keys=()), pickle.UnpicklingError, "not in the file"),
        (old_file(count=b"K\x05"), pickle.UnpicklingError, "not of its tensors' size"),
        (io.BytesIO(pickle.dumps(5, 2)), RuntimeError, "Invalid magic number"),
        (io.BytesIO(b"hello world"), pickle.UnpicklingError, "not a checkpoint"),
        (io.BytesIO(b""), EOFError, "Ran out of input"),
    ]
    for file, kind, message in cases:
        with pytest.raises(kind, match=message):
            files.load(file)


class Plain:
    """What a restricted load does not build."""


def test_pytorch_s_environment_variables(files, monkeypatch):
    held = saved(files, {"kept": Plain()})
    with pytest.raises(pickle.UnpicklingError):
        files.load(held)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    held.seek(0)
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert isinstance(files.load(held)["kept"], Plain)
    held.seek(0)
    with pytest.raises(pickle.UnpicklingError):  # what the call says counts more
        files.load(held, weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "yes")
    with pytest.raises(RuntimeError, match="both were set"):
        files.load(held)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(pickle.UnpicklingError):
        files.load(held, weights_only=False)
