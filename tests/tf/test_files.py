"""What is read from files and written to them: checkpoints, records, lines, tables, pictures."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plait.tf as tf
from plait.tf._records import masked_crc, records

pytestmark = pytest.mark.once  # files are written


class Net(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [tf.Variable([1.0, 2.0]), tf.Variable(3)]


def test_checkpoint(tmp_path: Path) -> None:
    net, step = Net(), tf.Variable(1, name="step")
    saved = tf.train.Checkpoint(net=net, step=step)
    path = saved.save(tmp_path / "ckpt")
    assert path == str(tmp_path / "ckpt-1")
    net.layers[0].assign([0.0, 0.0])
    step.assign(7)
    saved.restore(path).assert_consumed()
    assert net.layers[0].numpy().tolist() == [1.0, 2.0] and int(step) == 1
    assert tf.train.latest_checkpoint(tmp_path) == path
    assert ("net/layers/0", [2]) in tf.train.list_variables(path)
    assert tf.train.load_variable(path, "net/layers/1") == 3


def test_checkpoint_of_other_variables(tmp_path: Path) -> None:
    path = tf.train.Checkpoint(a=tf.Variable(1.0)).write(tmp_path / "x")
    other = tf.train.Checkpoint(b=tf.Variable(2.0))
    status = other.read(path)
    with pytest.raises(AssertionError, match="without a value"):
        status.assert_existing_objects_matched()
    with pytest.raises(AssertionError):
        status.assert_consumed()
    with pytest.raises(tf.errors.NotFoundError):
        other.restore(tmp_path / "nothing")
    other.restore(None)


def test_manager_keeps_the_last(tmp_path: Path) -> None:
    v = tf.Variable(0)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=v), tmp_path, max_to_keep=2)
    assert manager.restore_or_initialize() is None
    for k in range(4):
        v.assign(k)
        manager.save()
    assert [Path(p).name for p in manager.checkpoints] == ["ckpt-3", "ckpt-4"]
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == [
        "ckpt-3.plait.npz", "ckpt-4.plait.npz",
    ]  # fmt: skip
    v.assign(9)
    again = tf.train.CheckpointManager(tf.train.Checkpoint(v=v), tmp_path, max_to_keep=2)
    assert again.restore_or_initialize() == manager.latest_checkpoint
    assert int(v) == 3


def test_values_come_before_their_variables(tmp_path: Path) -> None:
    path = tf.train.Checkpoint(net=Net(), rate=tf.Variable(0.5)).save(tmp_path / "ckpt")
    late, checkpoint = tf.Module(), tf.train.Checkpoint()
    status = checkpoint.restore(path)
    with pytest.raises(AssertionError, match="Unresolved"):
        status.assert_consumed()
    checkpoint.net = late
    late.layers = [tf.Variable([0.0, 0.0]), tf.Variable(0)]
    assert late.layers[0].numpy().tolist() == [1.0, 2.0] and int(late.layers[1]) == 3
    checkpoint.rate = tf.Variable(0.0)
    assert float(checkpoint.rate) == 0.5
    status.assert_consumed()
    late.layers[0].assign([7.0, 7.0])
    late.again = late.layers[0]
    assert late.layers[0].numpy().tolist() == [7.0, 7.0]  # a value is given once


def test_records_of_tensorflow_and_ours(tmp_path: Path) -> None:
    theirs = pytest.importorskip("tensorflow", reason="reads what TensorFlow wrote")
    texts = [b"", b"one", bytes(range(256)) * 40]
    for write, read in ((tf, theirs), (theirs, tf)):
        for kind in ("", "GZIP", "ZLIB"):
            path = str(tmp_path / f"{write.__name__}{kind}")
            with write.io.TFRecordWriter(path, kind) as writer:
                for text in texts:
                    writer.write(text)
            found = list(read.data.TFRecordDataset(path, kind).as_numpy_iterator())
            assert found == texts, (write.__name__, kind)


def example(k: int) -> bytes:
    def feature(**lists: Any) -> Any:
        return tf.train.Feature(**lists)

    features = {
        "n": feature(int64_list=tf.train.Int64List(value=[k, -k])),
        "x": feature(float_list=tf.train.FloatList(value=[0.5 * k])),
        "s": feature(bytes_list=tf.train.BytesList(value=[b"ab", bytes([k])])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


SPEC = {
    "n": tf.io.FixedLenFeature([2], tf.int64),
    "x": tf.io.FixedLenFeature([], tf.float32),
    "s": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
    "none": tf.io.FixedLenFeature([], tf.float32, default_value=7.0),
}


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for k in range(3):
            writer.write(example(k))
    dataset = tf.data.TFRecordDataset(str(path), compression_type=compression)
    parsed = list(dataset.map(lambda r: tf.io.parse_single_example(r, SPEC)).as_numpy_iterator())
    assert [p["n"].tolist() for p in parsed] == [[0, 0], [1, -1], [2, -2]]
    assert [float(p["x"]) for p in parsed] == [0.0, 0.5, 1.0]
    assert parsed[2]["s"].tolist() == [b"ab", b"\x02"] and parsed[0]["none"] == 7.0
    batch = tf.io.parse_example(tf.constant([example(1), example(2)]), {"x": SPEC["x"]})
    assert batch["x"].numpy().tolist() == [0.5, 1.0]


def test_an_example_of_tensorflow() -> None:
    """The bytes that TensorFlow 2.21 writes for {"a": [1, 300]} as integers."""
    data = b"\n\x0e\n\x0c\n\x01a\x12\x07\x1a\x05\n\x03\x01\xac\x02"
    made = tf.train.Example.FromString(data)
    assert made.features.feature["a"].int64_list.value == [1, 300]
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 300]))
    again = tf.train.Example(features=tf.train.Features(feature={"a": feature}))
    assert again.SerializeToString() == data


def test_examples_that_do_not_fit() -> None:
    data = example(1)
    for spec, message in (
        ({"y": tf.io.FixedLenFeature([], tf.float32)}, "required"),
        ({"n": tf.io.FixedLenFeature([3], tf.int64)}, "Values size: 2"),
        ({"n": tf.io.FixedLenFeature([2], tf.string)}, "Data types don't match"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            tf.io.parse_single_example(data, spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse"):
        tf.io.parse_single_example(b"\xff\xff", SPEC)


def test_damaged_records(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"hello")
    data = path.read_bytes()
    assert masked_crc(b"123456789") == 0xC78AB0E5  # as TensorFlow 2.21 writes it
    for bad in (data[:-1], data[:14] + b"x" + data[15:], b"\x01" + data[1:]):
        path.write_bytes(bad)
        with pytest.raises(tf.errors.DataLossError):
            list(tf.data.TFRecordDataset(str(path)))
    with pytest.raises(tf.errors.NotFoundError):
        list(tf.data.TFRecordDataset(str(tmp_path / "no")))


def test_lines_and_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'x,y,z\r\n1,2.5,"a,b"\r\n3,,c\r\n')
    with gzip.open(tmp_path / "b.gz", "wb") as file:
        file.write(b"one\ntwo")
    lines = tf.data.TextLineDataset(str(tmp_path / "a.csv"))
    assert list(lines.skip(1).as_numpy_iterator()) == [b'1,2.5,"a,b"', b"3,,c"]
    assert list(tf.data.TextLineDataset(str(tmp_path / "b.gz"), "GZIP").as_numpy_iterator()) == [
        b"one", b"two",
    ]  # fmt: skip
    table = tf.data.experimental.CsvDataset(
        str(tmp_path / "a.csv"), [tf.int32, 0.5, tf.string], header=True
    )
    assert list(table.as_numpy_iterator()) == [(1, 2.5, b"a,b"), (3, 0.5, b"c")]
    names = tf.data.Dataset.list_files(str(tmp_path / "*"), shuffle=False)
    assert [Path(n.decode()).name for n in names.as_numpy_iterator()] == ["a.csv", "b.gz"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="No files matched"):
        tf.data.Dataset.list_files(str(tmp_path / "*.none"))
    bad = tf.data.experimental.CsvDataset(str(tmp_path / "a.csv"), [tf.int32] * 3, header=True)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(bad)


def test_files(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "x.bin")
    tf.io.write_file(path, "hello")
    assert tf.io.read_file(path).numpy() == b"hello"
    assert tf.io.gfile.exists(path) and tf.io.gfile.listdir(tmp_path) == ["deep"]
    with tf.io.gfile.GFile(path) as file:
        assert file.read() == "hello"
    with pytest.raises(tf.errors.AlreadyExistsError):
        tf.io.gfile.copy(path, path)
    with pytest.raises(tf.errors.NotFoundError):
        tf.io.read_file(path + "no")


def test_pictures() -> None:
    pytest.importorskip("PIL", reason="images are Pillow's, an extra")
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    data = tf.io.encode_png(image)
    assert (tf.io.decode_image(data).numpy() == image).all()
    assert tf.io.decode_png(data, channels=1).shape == (4, 4, 1)
    assert tf.image.decode_image(data, dtype=tf.float32).numpy().max() == pytest.approx(47 / 255)
    assert tf.io.decode_jpeg(tf.io.encode_jpeg(image)).shape == (4, 4, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unknown image file format"):
        tf.io.decode_image(b"no picture")


def test_random_pictures() -> None:
    tf.random.set_seed(1)
    image = tf.reshape(tf.range(24.0), [2, 4, 3]) / 24
    seen = {tf.image.random_flip_left_right(image).numpy().tobytes() for _ in range(20)}
    assert seen == {image.numpy().tobytes(), image.numpy()[:, ::-1].tobytes()}
    assert tf.image.random_crop(image, [1, 2, 3]).shape == (1, 2, 3)
    bright = tf.image.random_brightness(image, 0.1) - image
    assert abs(float(bright[0, 0, 0])) <= 0.1
    with pytest.raises(ValueError, match="non-negative"):
        tf.image.random_brightness(image, -1.0)


def test_summaries(tmp_path: Path) -> None:
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        tf.summary.scalar("loss", tf.constant(0.25), step=3)
        tf.summary.histogram("w", [1.0, 2.0, 2.5], step=3)
        tf.summary.text("t", "words", step=3)
        with tf.summary.record_if(False):
            assert not tf.summary.scalar("no", 1.0, step=3)
        with pytest.raises(ValueError, match="No step set"):
            tf.summary.scalar("loss", 1.0)
    writer.close()
    assert not tf.summary.scalar("outside", 1.0, step=1)
    (path,) = tmp_path.iterdir()
    with open(path, "rb") as file:
        events = list(records(file))
    assert len(events) == 4 and b"brain.Event:2" in events[0]
    assert b"loss" in events[1] and struct.pack("<f", 0.25) in events[1]


def test_csv_by_column_names(tmp_path: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n,x,word,big\n1,0.5,a,5000000000\n2,,b,1\n3,2.5,,2\n")
    make = tf.data.experimental.make_csv_dataset
    ds = make(str(path), 2, label_name="n", num_epochs=1, shuffle=False)
    (features, label), (rest, _) = list(ds)
    assert list(features) == ["x", "word", "big"]
    assert [t.dtype.name for t in (label, *features.values())] == [
        "int32",
        "float32",
        "string",
        "int64",
    ]
    assert features["x"].numpy().tolist() == [0.5, 0.0] and label.numpy().tolist() == [1, 2]
    assert rest["word"].numpy().tolist() == [b""]
    only = make(str(path), 3, select_columns=["big", "n"], num_epochs=1, shuffle=False)
    assert list(next(iter(only))) == ["n", "big"]
    endless = make([str(path)], 2, column_defaults=[0, 0.0, "", tf.int64], shuffle_seed=1)
    assert len(list(endless.take(5))) == 5
    with pytest.raises(ValueError, match="label_name"):
        make(str(path), 2, label_name="y")
    with pytest.raises(tf.errors.InvalidArgumentError, match="No files matched"):
        make(str(tmp_path / "none*"), 2)
