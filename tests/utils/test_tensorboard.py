"""Event files: records, checksums and fields, read back by hand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import plait
from plait.utils.tensorboard import SummaryWriter
from plait.utils.tensorboard._wire import masked_crc, varint


def fields(data: bytes) -> dict[int, list]:
    """A message's fields by number: ints, floats and bytes."""
    found: dict[int, list] = {}
    place = 0

    def number() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            value = number()
        elif kind in (1, 5):
            width, code = (8, "<d") if kind == 1 else (4, "<f")
            value = struct.unpack(code, data[place : place + width])[0]
            place += width
        else:
            length = number()
            value = data[place : place + length]
            place += length
        found.setdefault(key >> 3, []).append(value)
    return found


def events(folder: Path) -> list[dict[int, list]]:
    """The events of the one file of a folder; lengths and checksums are right."""
    (file,) = folder.glob("events.out.tfevents.*")
    data = file.read_bytes()
    found = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12]) == (masked_crc(data[:8]),)
        content = data[12 : 12 + length]
        assert struct.unpack("<I", data[12 + length : 16 + length]) == (masked_crc(content),)
        found.append(fields(content))
        data = data[16 + length :]
    assert found[0][3] == [b"brain.Event:2"]
    return found[1:]


def value_of(event: dict[int, list]) -> dict[int, list]:
    """The value of an event's summary."""
    return fields(fields(event[5][0])[1][0])


def test_checksum_is_castagnoli() -> None:
    # RFC 3720, appendix B.4: 32 bytes of zeros give 8a9136aa.
    rotated = ((0x8A9136AA >> 15 | 0x8A9136AA << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc(bytes(32)) == rotated


def test_negative_numbers_have_ten_bytes() -> None:
    assert varint(300) == b"\xac\x02"
    assert varint(-1) == b"\xff" * 9 + b"\x01"


def test_scalars(tmp_path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", plait.tensor([0.5]), 3, walltime=12.5)
        writer.add_scalar("loss", 2, 4)
        writer.add_scalar("new", 1.5, 5, new_style=True)
    first, second, third = events(tmp_path)
    assert first[1] == [12.5]
    assert first[2] == [3]
    assert value_of(first) == {1: [b"loss"], 2: [0.5]}
    assert value_of(second)[2] == [2.0]
    assert value_of(third)[8][0] == b"\x08\x01\x2a\x04" + struct.pack("<f", 1.5)


def test_scalars_of_one_plot_have_folders(tmp_path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("a/b", {"x": 1.0, "y": 2.0}, 0)
    assert value_of(events(tmp_path / "a_b_x")[0]) == {1: [b"a/b"], 2: [1.0]}
    assert value_of(events(tmp_path / "a_b_y")[0]) == {1: [b"a/b"], 2: [2.0]}


def test_histogram_ends_where_values_do(tmp_path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("w", plait.tensor([1.0, 2.0, 2.0, 4.0]), bins=[0, 1, 2, 3, 4, 5, 6])
    histogram = fields(value_of(events(tmp_path)[0])[5][0])
    assert [histogram[n][0] for n in range(1, 6)] == [1.0, 4.0, 4.0, 9.0, 25.0]
    limits = np.frombuffer(histogram[6][0])
    counts = np.frombuffer(histogram[7][0])
    assert limits.tolist() == [1, 2, 3, 4, 5]
    assert counts.tolist() == [0, 1, 2, 0, 1]


def test_image_is_a_png_of_its_pixels(tmp_path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("i", plait.tensor([[[0.0, 0.5], [1.0, 2.0]]]))
    image = fields(value_of(events(tmp_path)[0])[4][0])
    assert (image[1], image[2], image[3]) == ([2], [2], [3])
    png = image[4][0]
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    rows = zlib.decompress(png[start + 4 : start + 4 + length])
    assert list(rows) == [0, 0, 0, 0, 127, 127, 127, 0, *[255] * 6]


def test_graph_has_modules_scopes_and_parameters(tmp_path) -> None:
    model = plait.nn.Sequential(plait.nn.Linear(3, 4), plait.nn.ReLU())
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, plait.ones(2, 3))
    nodes = [fields(node) for node in fields(events(tmp_path)[0][4][0])[1]]
    kinds = {node[1][0].decode(): node[2][0].decode() for node in nodes}
    assert kinds["input/input.1"] == "IO Node"
    assert kinds["Sequential/0/weight"] == "Parameter"
    assert kinds["output/output.1"] == "IO Node"
    assert any(name.startswith("Sequential/1/") and "plait::" in kinds[name] for name in kinds)
    for node in nodes:
        assert {operand.decode() for operand in node.get(3, [])} <= set(kinds)
    reached = {operand for node in nodes for operand in node.get(3, [])}
    assert {b"input/input.1", b"Sequential/0/weight", b"Sequential/0/bias"} <= reached


def test_reports_go_on_after_close(tmp_path) -> None:
    writer = SummaryWriter(tmp_path)
    writer.close()
    writer.close()
    writer.add_scalar("a", 1)
    writer.flush()
    assert len(list(tmp_path.glob("events*"))) == 2
    writer.close()


def test_every_tenth_event_is_written_at_once(tmp_path) -> None:
    writer = SummaryWriter(tmp_path, max_queue=2)
    (file,) = tmp_path.glob("events*")
    size = file.stat().st_size
    writer.add_scalar("a", 1)
    assert file.stat().st_size == size
    writer.add_scalar("a", 1)
    assert file.stat().st_size > size
    writer.close()


def test_default_folder_has_the_comment(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="-test") as writer:
        assert str(writer.get_logdir()).startswith("runs/")
        assert str(writer.log_dir).endswith("-test")
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        (lambda w: w.add_scalar("a", plait.ones(2)), AssertionError),
        (lambda w: w.add_scalar("a", [1.0]), NotImplementedError),
        (lambda w: w.add_histogram("a", plait.ones(0)), ValueError),
        (lambda w: w.add_histogram_raw("a", 0, 1, 1, 1, 1, [1], [1, 2]), ValueError),
        (lambda w: w.add_image("a", plait.ones(2, 2)), AssertionError),
        (lambda w: w.add_image("a", plait.ones(2, 2), dataformats="HH"), AssertionError),
        (lambda w: w.add_images("a", plait.ones(2, 2, 4, 4)), AssertionError),
        (lambda w: w.add_hparams([], {}), TypeError),
        (lambda w: w.add_hparams({"a": []}, {}), ValueError),
        (lambda w: w.add_hparams({"a": 1}, {}, {"a": ["x"]}), TypeError),
        (lambda w: w.add_video("a", plait.ones(1)), NotImplementedError),
        (lambda w: w.add_nothing("a"), AttributeError),
    ],
)
def test_mistakes(tmp_path, report, kind) -> None:
    with SummaryWriter(tmp_path) as writer, pytest.raises(kind):
        report(writer)
