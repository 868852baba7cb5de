"""MNIST: files in torchvision's layout, the packed sample, downloads with checksums, errors."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
from PIL import Image

import plait
from plait.vision import datasets, transforms
from plait.vision.datasets.download import download

RAW = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


def write_idx(path, array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    path.write_bytes(head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


@pytest.fixture
def digits():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 28, 28)).astype(np.uint8)
    return images, np.arange(7, dtype=np.uint8)


@pytest.fixture
def root(tmp_path, digits):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in zip(RAW, digits):
        write_idx(raw / name, array)
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any download fails at once, as on a machine without a network."""

    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.delenv("PLAIT_SAMPLE_DATA", raising=False)


def test_files_present_are_taken_without_checksum(root, digits):
    images, labels = digits
    for download_flag in (False, True):
        dataset = datasets.MNIST(root, train=True, download=download_flag)
        assert len(dataset) == 7
        assert dataset.data.dtype == plait.uint8
        assert tuple(dataset.data.shape) == (7, 28, 28)
        assert dataset.targets.dtype == plait.int64
        assert dataset.targets.tolist() == labels.tolist()
        np.testing.assert_array_equal(dataset.data.numpy(), images)


def test_gzipped_files_are_taken(root):
    for name in RAW:
        path = root / "MNIST" / "raw" / name
        path.with_name(name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert len(datasets.MNIST(str(root))) == 7


def test_items_are_pillow_images_and_ints(root, digits):
    image, target = datasets.MNIST(root)[3]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, target, type(target)) == ("L", (28, 28), 3, int)
    np.testing.assert_array_equal(np.asarray(image), digits[0][3])


def test_short_cut_gives_what_the_image_would(root):
    plain = datasets.MNIST(root)
    for short in (transforms.ToTensor(), transforms.Compose([transforms.ToTensor()])):
        dataset = datasets.MNIST(root, transform=short)
        for index in (0, -1):
            expected = transforms.ToTensor()(plain[index][0])
            assert dataset[index][0].dtype == plait.float32
            assert plait.equal(dataset[index][0], expected)


def test_subclass_of_to_tensor_gets_an_image(root):
    class Own(transforms.ToTensor):
        def __call__(self, pic):
            assert isinstance(pic, Image.Image)
            return super().__call__(pic)

    assert tuple(datasets.MNIST(root, transform=Own())[0][0].shape) == (1, 28, 28)


def test_iteration_ends_and_index_errors(root):
    dataset = datasets.MNIST(root, target_transform=lambda target: target * 10)
    assert [target for _, target in dataset] == [0, 10, 20, 30, 40, 50, 60]
    with pytest.raises(IndexError):
        dataset[7]


def test_replaced_data_is_what_items_show(root):
    dataset = datasets.MNIST(root, transform=transforms.ToTensor())
    dataset[0]
    keep = dataset.targets >= 5
    dataset.data, dataset.targets = dataset.data[keep], dataset.targets[keep]
    assert len(dataset) == 2
    assert [target for _, target in dataset] == [5, 6]
    dataset.targets = [1, 2]
    assert dataset[1][1] == 2


def test_pickle_carries_the_pixels_once(root, digits):
    dataset = datasets.MNIST(root, transform=transforms.ToTensor())
    dataset[0]
    blob = pickle.dumps(dataset)
    # Pixels once (5,488 bytes), labels, and under 3,000 bytes of names; twice would be 10,976.
    assert len(blob) < digits[0].nbytes + 3000
    assert plait.equal(pickle.loads(blob)[4][0], dataset[4][0])


def test_repr_and_attributes(root):
    dataset = datasets.MNIST(root, transform=transforms.ToTensor())
    assert repr(dataset) == (
        f"Dataset MNIST\n    Number of datapoints: 7\n    Root location: {root}\n"
        "    Split: Train\n    StandardTransform\nTransform: ToTensor()"
    )
    assert dataset.classes[7] == "7 - seven"
    assert dataset.class_to_idx["7 - seven"] == 7
    assert dataset.raw_folder == str(root / "MNIST" / "raw")
    with pytest.warns(UserWarning, match="renamed data"):
        assert dataset.train_data is dataset.data
    assert datasets.FashionMNIST.classes[9] == "Ankle boot"


def test_missing_files(tmp_path):
    with pytest.raises(
        RuntimeError, match=r"Dataset not found\. You can use download=True"
    ) as error:
        datasets.MNIST(tmp_path)
    assert str(tmp_path / "MNIST" / "raw") in str(error.value)


def test_download_without_network_says_what_to_do(tmp_path):
    with pytest.raises(RuntimeError, match="no network in tests") as error:
        datasets.MNIST(tmp_path, download=True)
    assert "PLAIT_SAMPLE_DATA=1" in str(error.value)
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []
    with pytest.raises(RuntimeError, match="could not be downloaded") as error:
        datasets.FashionMNIST(tmp_path, download=True)
    assert "PLAIT_SAMPLE_DATA" not in str(error.value)


def test_counts_that_differ(root):
    write_idx(root / "MNIST" / "raw" / RAW[1], np.zeros(6, np.uint8))
    with pytest.raises(RuntimeError, match=r"7 images, but .* has 6 labels"):
        datasets.MNIST(root)


def test_sample_only_when_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLAIT_SAMPLE_DATA", "1")
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.MNIST(tmp_path, download=False)
    training = datasets.MNIST(tmp_path, download=True)
    held_out = datasets.MNIST(tmp_path, train=False, download=True)
    said = capsys.readouterr().err.splitlines()
    assert [line.count("of the sample that ships with Plait") for line in said] == [1, 1]
    assert (len(training), len(held_out)) == (4000, 1000)
    assert np.bincount(training.targets.numpy()).tolist() == [400] * 10
    assert np.bincount(held_out.targets.numpy()).tolist() == [100] * 10
    both = np.concatenate([training.data.numpy(), held_out.data.numpy()]).reshape(5000, -1)
    assert len(np.unique(both, axis=0)) == 5000  # no held-out digit is also a training digit
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        datasets.FashionMNIST(tmp_path, download=True)


def test_files_present_go_before_the_sample(root, monkeypatch):
    monkeypatch.setenv("PLAIT_SAMPLE_DATA", "1")
    assert len(datasets.MNIST(root, download=True)) == 7


class Response:
    """Stands in for an open URL."""

    def __init__(self, content, length=None):
        self.content = content
        self.headers = {"Content-Length": str(len(content) if length is None else length)}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False

    def read(self, size):
        chunk, self.content = self.content[:size], self.content[size:]
        return chunk


def test_download_passes_over_bad_mirrors(tmp_path, monkeypatch):
    content = b"digits" * 1000
    answers = {"http://bad": Response(b"error page"), "http://good": Response(content)}
    monkeypatch.setattr(
        "urllib.request.urlopen",
        lambda request, timeout: answers[request.full_url.rsplit("/", 1)[0]],
    )
    md5 = hashlib.md5(content).hexdigest()
    path = download(["http://bad/", "http://good/"], "file.gz", tmp_path, md5)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.gz"]


def test_download_leaves_nothing_half_done(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda request, timeout: Response(b"part", length=10)
    )
    with pytest.raises(RuntimeError, match="expected 10 bytes, received 4"):
        download(["http://one/"], "file.gz", tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_fake_data_is_the_same_each_time_and_leaves_the_generator_alone():
    plait.manual_seed(3)
    expected = plait.rand(2).tolist()
    plait.manual_seed(3)
    fake = datasets.FakeData(4, (3, 5, 6), num_classes=3, transform=transforms.ToTensor())
    image, target = fake[2]
    assert plait.equal(image, fake[2][0])
    assert tuple(image.shape) == (3, 5, 6)
    assert target in (0, 1, 2)
    assert plait.rand(2).tolist() == expected
    assert len(list(fake)) == 4
