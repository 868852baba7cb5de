"""idx files: plain and gzipped are read; each way of being wrong is named."""

import gzip
import struct

import numpy as np
import pytest

from plait.vision.datasets.idx import read_idx, read_images, read_labels


def idx_bytes(array, kind=0x08):
    head = struct.pack(">BBBB", 0, 0, kind, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return head + array.tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def write(folder, content):
    path = folder / "some-idx"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_reads_by_content_not_by_name(tmp_path, pack):
    found = read_images(write(tmp_path, pack(idx_bytes(IMAGES))))
    np.testing.assert_array_equal(found, IMAGES)
    assert found.flags.writeable


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
def test_element_types_come_in_native_order(tmp_path, kind, dtype):
    array = np.array([1, -2, 3], dtype)
    found = read_idx(write(tmp_path, idx_bytes(array, kind)))
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a header of at least 4 bytes, found 0 bytes"),
        (b"\x89PNG....", "magic number 00 00 type ndim .* found 89 50 4e 47"),
        (b"\x00\x00\x07\x01\x00\x00\x00\x00", "found 00 00 07 01"),
        (b"\x00\x00\x08\x03\x00\x00", "a header of 16 bytes for 3 dimensions, found 6 bytes"),
        (
            idx_bytes(IMAGES)[:-1],
            r"24 bytes of data for shape \(2, 3, 4\), found 23: it is truncated",
        ),
        (idx_bytes(IMAGES) + b"x", "found 25: bytes are left over"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "a whole gzip file, found a damaged one"),
        (b"\x1f\x8bnot gzip at all", "a whole gzip file"),
    ],
)
def test_wrong_files_are_named(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(RuntimeError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert "download=True" in str(error.value)


def test_a_file_of_another_kind(tmp_path):
    path = write(tmp_path, idx_bytes(IMAGES))
    with pytest.raises(RuntimeError, match=r"uint8 labels \(N,\), found uint8 of shape"):
        read_labels(path)


def test_unpacking_is_bounded(tmp_path):
    path = write(tmp_path, gzip.compress(bytes(1 << 20)))
    with pytest.raises(RuntimeError, match="at most 1000 bytes"):
        read_idx(path, max_bytes=1000)
