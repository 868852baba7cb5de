"""Files made to harm: a restricted load neither runs their code nor crashes, and says why not."""

import io
import pickle
import random
import struct
import zipfile

import numpy as np
import numpy_bridge as nb
import pytest

from plait.io import safe_globals
from plait.io.torch_zip import ArchiveWriter

REFUSALS = (pickle.UnpicklingError, RuntimeError, EOFError)

executed: list[object] = []


def run(*args):
    """What a hostile file wants to call."""
    executed.append(args)


class Gadget:
    """A class that does something when it is made or given state."""

    def __init__(self, *args):
        executed.append(args)

    def __setstate__(self, state):
        executed.append(state)


@pytest.fixture(autouse=True)
def nothing_executed():
    executed.clear()
    yield
    assert executed == []


def archive(pickled, **records):
    out = io.BytesIO()
    with ArchiveWriter(out, "archive") as writer:
        writer.write("data.pkl", pickled)
        for name, content in records.items():
            writer.write(f"data/{name[1:]}", content)
    return io.BytesIO(out.getvalue())


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def storage(name="FloatStorage", key="0", count=b"K\x04", location="cpu"):
    return (
        b"(" + text("storage") + f"ctorch\n{name}\n".encode() + text(key) + text(location) + count
        + b"tQ"
    )  # fmt: skip


def tensor(offset=b"K\x00", size=b"K\x04\x85", stride=b"K\x01\x85", flag=b"\x89", source=None):
    source = storage() if source is None else source
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + source + offset + size + stride + flag
        + b"ccollections\nOrderedDict\n)RtR."
    )  # fmt: skip


FOUR_FLOATS = np.arange(4, dtype=np.float32).tobytes()


def test_the_hand_made_file_is_right(files):
    assert files.load(archive(tensor(), _0=FOUR_FLOATS)).array().tolist() == [0, 1, 2, 3]


GLOBAL_RUN = f"c{__name__}\nrun\n".encode()
GLOBAL_GADGET = f"c{__name__}\nGadget\n".encode()

PICKLES = {
    "calls a function": b"\x80\x02" + GLOBAL_RUN + b")R.",
    "calls os.system": b"\x80\x02cos\nsystem\n" + text("true") + b"\x85R.",
    "calls posix.system": b"\x80\x02cposix\nsystem\n" + text("true") + b"\x85R.",
    "calls eval": b"\x80\x02c__builtin__\neval\n" + text("1") + b"\x85R.",
    "calls getattr": b"\x80\x02cbuiltins\ngetattr\nNNtR.",
    "stack global": b"\x80\x04" + text("os") + text("system") + b"\x93" + text("true") + b"\x85R.",
    "stack global of numbers": b"\x80\x04K\x01K\x02\x93.",
    "dotted name": b"\x80\x02ctorch\nTensor.__class__\n.",
    "makes an object": b"\x80\x02" + GLOBAL_GADGET + b")\x81.",
    "INST": b"\x80\x02(i" + __name__.encode() + b"\nrun\n.",
    "OBJ": b"\x80\x02(" + GLOBAL_GADGET + b"o.",
    "NEWOBJ_EX": b"\x80\x04" + GLOBAL_GADGET + b")}\x92.",
    "extension code": b"\x80\x02\x82\x01.",
    "text persistent id": b"\x80\x02Pstorage\n.",
    "persistent id of another kind": b"\x80\x02(" + text("module") + b"tQ.",
    "persistent id that is no tuple": b"\x80\x02" + text("storage") + b"Q.",
    "storage id too short": b"\x80\x02(" + text("storage") + b"tQ.",
    "calls a string": b"\x80\x02" + text("os") + b")R.",
    "calls a dtype": b"\x80\x02ctorch\nfloat32\n)R.",
    "calls a storage class": b"\x80\x02ctorch\nFloatStorage\n)R.",
    "calls the tensor class": b"\x80\x02ctorch\nTensor\nK\x05\x85R.",
    "new tensor": b"\x80\x02ctorch\nTensor\n)\x81.",
    "arguments that are no tuple": b"\x80\x02ccollections\nOrderedDict\n]R.",
    "bytes by another codec": b"\x80\x02c_codecs\nencode\n" + text("a") + text("rot13") + b"\x86R.",
    "bytes of a length": b"\x80\x02c__builtin__\nbytes\nJ\x00\x00\x00\x7f\x85R.",
    "bytearray of a length": b"\x80\x02c__builtin__\nbytearray\nJ\x00\x00\x00\x7f\x85R.",
    "set of unhashables": b"\x80\x02c__builtin__\nset\n]]a\x85R.",
    "complex of text": b"\x80\x02c__builtin__\ncomplex\n" + text("1") + b"\x85R.",
    "Size of text": b"\x80\x02ctorch\nSize\n" + text("1") + b"\x85\x85R.",
    "device of a number": b"\x80\x02ctorch\ndevice\nK\x01\x85R.",
    "state for a list": b"\x80\x02]}b.",
    "state shadows a method": b"\x80\x02ccollections\nOrderedDict\n)R}"
    + text("items") + b"K\x01sb.",
    "state of no dict": b"\x80\x02ccollections\nOrderedDict\n)RK\x01b.",
    "append to a dict": b"\x80\x02}K\x01a.",
    "items into a list": b"\x80\x02]K\x01K\x02s.",
    "odd number of items": b"\x80\x02}(K\x01u.",
    "add to a list": b"\x80\x04](K\x01\x90.",
    "unhashable key": b"\x80\x02}]K\x01s.",
    "empty stack": b"\x80\x02.",
    "pops too much": b"\x80\x02\x87.",
    "tuple without mark": b"\x80\x02t.",
    "unknown memo": b"\x80\x02h\x07.",
    "no end": b"\x80\x02N",
    "string past the end": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "bytes past the end": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "broken utf-8": b"\x80\x02X\x02\x00\x00\x00\xff\xfe.",
    "endless name": b"\x80\x02c" + b"a" * 100_000,
    "name without end": b"\x80\x02ctorch",
    "future protocol": b"\x80\x63N.",
    "rebuild without arguments": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "parameter of a number": b"\x80\x02ctorch._utils\n_rebuild_parameter\n(K\x01\x88}tR.",
    "type call with a stranger": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n("
    b"ccollections\nOrderedDict\nctorch\nTensor\n)}tR.",
    "deep key": b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
    "exponential storage id": b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b"Q.",
    "exponential tuple called": b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b")R.",
    "exponential key": b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",
}  # fmt: skip


@pytest.mark.parametrize("pickled", PICKLES.values(), ids=PICKLES.keys())
def test_hostile_pickles(files, pickled):
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        files.load(archive(pickled))


def test_an_allowed_name_does_not_allow_its_neighbours(files):
    with safe_globals([Gadget]), pytest.raises(pickle.UnpicklingError, match="was not an allowed"):
        files.load(archive(PICKLES["calls a function"]))


def test_blocked_modules_stay_blocked(files):
    import os

    with safe_globals([(os.system, "os.system"), (os.system, "posix.system")]):
        for name in ("calls os.system", "calls posix.system", "stack global"):
            with pytest.raises(pickle.UnpicklingError, match="is blocked"):
                files.load(archive(PICKLES[name]))


HUGE = b"\x8a\x08" + struct.pack("<q", 1 << 61)
NEGATIVE = b"J\xff\xff\xff\xff"

TENSORS = {
    "offset past the end": tensor(offset=b"K\x01"),
    "negative offset": tensor(offset=NEGATIVE),
    "exponential offset": tensor(offset=b")" + b"q\x00h\x00\x86" * 60),
    "exponential size": tensor(size=b")" + b"q\x00h\x00\x86" * 60),
    "offset of a float": tensor(offset=b"G" + bytes(8)),
    "size past the end": tensor(size=b"K\x05\x85"),
    "negative size": tensor(size=NEGATIVE + b"\x85"),
    "stride past the end": tensor(stride=b"K\x02\x85"),
    "negative stride": tensor(stride=NEGATIVE + b"\x85"),
    "sizes and strides disagree": tensor(stride=b"K\x01K\x01\x86"),
    "size is no tuple": tensor(size=b"K\x04"),
    "size of strings": tensor(size=text("4") + b"\x85"),
    "product overflows": tensor(size=HUGE + HUGE + b"\x86", stride=b"K\x00K\x00\x86"),
    "too many axes": tensor(size=b"(" + b"K\x01" * 65 + b"t", stride=b"(" + b"K\x01" * 65 + b"t"),
    "flag is no bool": tensor(flag=b"K\x01"),
    "empty, offset outside": tensor(offset=b"K\x09", size=b"K\x00\x85"),
    "storage is no storage": tensor(source=b"N"),
    "storage too large": tensor(source=storage(count=b"K\x05")),
    "storage too small": tensor(source=storage(count=b"K\x03")),
    "storage of another type": tensor(source=storage(name="DoubleStorage")),
    "negative storage": tensor(source=storage(count=NEGATIVE)),
    "gigantic storage": tensor(source=storage(count=HUGE)),
    "storage count is text": tensor(source=storage(count=text("4"))),
    "missing storage": tensor(source=storage(key="1")),
    "storage outside its folder": tensor(source=storage(key="../data.pkl")),
    "unknown place": tensor(source=storage(location="mars")),
    "unknown storage class": tensor(source=storage(name="NoStorage")),
}


@pytest.mark.parametrize("pickled", TENSORS.values(), ids=TENSORS.keys())
def test_hostile_tensors(files, pickled):
    with pytest.raises(REFUSALS) as error:
        files.load(archive(pickled, _0=FOUR_FLOATS))
    assert len(str(error.value)) > 20


def test_booleans_are_made_valid(files):
    pickled = tensor(source=storage(name="BoolStorage"))
    loaded = files.load(archive(pickled, _0=b"\x00\x01\x02\xff"))
    assert loaded.flat.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_untyped_storage_with_a_remainder(files):
    source = storage(name="UntypedStorage", count=b"K\x05").replace(
        b"ctorch\n", b"ctorch.storage\n"
    )
    pickled = tensor(source=source).replace(b"_tensor_v2", b"_tensor_v3")
    pickled = pickled.replace(b"OrderedDict\n)R", b"OrderedDict\n)Rctorch\nuint16\n")
    with pytest.raises(RuntimeError, match="no whole uint16"):
        files.load(archive(pickled, _0=bytes(5)))


# The container


def test_truncated_and_foreign_archives(files, tmp_path):
    data = archive(tensor(), _0=FOUR_FLOATS).getvalue()
    path = tmp_path / "cut.pt"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(RuntimeError, match=r"failed finding central directory.*cut\.pt"):
        files.load(path)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as other:
        other.writestr("folder/readme.txt", "hello")
    with pytest.raises(RuntimeError, match=r"failed locating file data\.pkl: file not found"):
        files.load(io.BytesIO(out.getvalue()))
    with zipfile.ZipFile(out, "a") as other:
        other.writestr("folder/constants.pkl", "")
    with pytest.raises(RuntimeError, match="TorchScript"):
        files.load(io.BytesIO(out.getvalue()))


def test_changed_data_is_noticed(files):
    data = bytearray(archive(tensor(), _0=FOUR_FLOATS).getvalue())
    data[data.index(FOUR_FLOATS) + 5] ^= 1
    with pytest.raises(RuntimeError, match="checksum of record 'data/0'"):
        files.load(io.BytesIO(data))


def test_bombs_are_refused(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", tensor())
        bomb.writestr("archive/data/0", bytes(1 << 23))
    with pytest.raises(RuntimeError, match="more than 100:1"):
        files.load(io.BytesIO(out.getvalue()))


def test_records_that_overlap_are_refused(files):
    data = archive(tensor(), _0=bytes(100_000), _1=bytes(100_000)).getvalue()
    # Let the second storage's directory entry point at the first one's data.
    entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    first, second = (e.header_offset for e in entries if e.file_size == 100_000)
    at = data.rindex(struct.pack("<I", second))
    forged = data[:at] + struct.pack("<I", first) + data[at + 4 :]
    pickled = zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")
    assert pickled == tensor()
    from plait.io.torch_zip import ArchiveReader

    with pytest.raises(RuntimeError, match="another name"):
        ArchiveReader(io.BytesIO(forged), "forged").read("data/1")


def test_wrong_byte_order_mark(files):
    out = io.BytesIO()
    with ArchiveWriter(out, "archive") as writer:
        writer.write("data.pkl", tensor())
        writer.write("byteorder", b"middle")
    with pytest.raises(RuntimeError, match="Unknown endianness"):
        files.load(io.BytesIO(out.getvalue()))


def test_duplicate_records(files):
    out = io.BytesIO()
    with pytest.warns(UserWarning), zipfile.ZipFile(out, "w") as double:
        double.writestr("archive/data.pkl", b"\x80\x02N.")
        double.writestr("archive/data.pkl", b"\x80\x02K\x01.")
    with pytest.raises(RuntimeError, match="occurs twice"):
        files.load(io.BytesIO(out.getvalue()))


# Fuzzing


def valid_file(files):
    base = nb.tensor(np.arange(6, dtype=np.float32))
    obj = {
        "w": nb.make_parameter(base, True),
        "v": nb.view(base, 1, (2, 2), (2, 1)),
        "meta": [("lr", 0.1), {"n": 3, "s": {1}}, b"x", nb.Size((2,)), nb.DTYPES["bool"]],
    }
    buffer = io.BytesIO()
    files.save(obj, buffer)
    return buffer.getvalue()


def attempt(files, data):
    try:
        files.load(io.BytesIO(data))
    except REFUSALS as error:
        assert str(error)


def test_every_truncation(files):
    data = valid_file(files)
    for length in range(len(data)):
        with pytest.raises(REFUSALS):
            files.load(io.BytesIO(data[:length]))


def test_flipped_bytes_of_the_archive(files):
    data = valid_file(files)
    rng = random.Random(0)
    for _ in range(1500):
        broken = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        attempt(files, bytes(broken))


def test_flipped_bytes_of_the_pickle(files):
    """As above behind a right checksum, so that the pickle machine itself is reached."""
    with zipfile.ZipFile(io.BytesIO(valid_file(files))) as whole:
        pickled = whole.read("archive/data.pkl")
        record = whole.read("archive/data/0")
    rng = random.Random(1)
    for _ in range(3000):
        broken = bytearray(pickled)
        for _ in range(rng.choice([1, 1, 2, 4])):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        attempt(files, archive(bytes(broken), _0=record).getvalue())
