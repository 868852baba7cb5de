"""Data sets from files in their published layouts, made small here."""

import bz2
import gzip
import hashlib
import json
import pickle
import struct
import tarfile
import zlib

import numpy as np
import pytest
from PIL import Image

import plait
from plait.vision import datasets, transforms
from plait.vision.datasets import utils
from plait.vision.datasets._matlab import read_matlab

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def save(path, colour=(10, 20, 30), mode="RGB", size=(5, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/b.png", "cat/deep/a.JPG", "dog/c.bmp"):
        save(tmp_path / name, (0, 0, 200) if name.startswith("cat") else (200, 0, 0))
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    (tmp_path / "stray.png").write_bytes(b"in no class")
    return tmp_path


def test_image_folder(folder):
    data = datasets.ImageFolder(folder, transform=transforms.ToTensor())
    assert data.classes == ["cat", "dog"]
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    names = [path.removeprefix(str(folder) + "/") for path, _ in data.imgs]
    assert names == ["cat/b.png", "cat/deep/a.JPG", "dog/c.bmp"]
    assert data.targets == [0, 0, 1]
    image, target = data[2]
    assert (image.shape, target) == ((3, 4, 5), 1)
    assert image[0].max().item() == pytest.approx(200 / 255)
    assert "Number of datapoints: 3" in repr(data)
    loader = plait.utils.data.DataLoader(data, batch_size=3)
    images, targets = next(iter(loader))
    assert (images.shape, targets.tolist()) == ((3, 3, 4, 5), [0, 0, 1])


def test_dataset_folder_of_other_files(folder):
    def first_word(path):
        with open(path) as file:
            return file.read().split()[0]

    with pytest.raises(FileNotFoundError, match=r"classes cat.*extensions are: \.txt"):
        datasets.DatasetFolder(folder, first_word, (".txt",))
    data = datasets.DatasetFolder(folder, first_word, (".txt",), allow_empty=True)
    assert [data[i] for i in range(len(data))] == [("no", 1)]
    by_function = datasets.ImageFolder(folder, is_valid_file=lambda path: path.endswith("b.png"),
                                       allow_empty=True)  # fmt: skip
    assert len(by_function) == 1
    with pytest.raises(ValueError, match="cannot be None or not None"):
        datasets.folder.make_dataset(folder)
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(folder / "cat" / "deep")


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    root = tmp_path / datasets.CIFAR10.base_folder
    root.mkdir()
    contents = {"batches.meta": {"label_names": [f"class {i}" for i in range(10)]}}
    for name, _ in (*datasets.CIFAR10.train_list, *datasets.CIFAR10.test_list):
        pixels = RNG.integers(0, 256, (2, 3072)).astype(np.uint8)
        contents[name] = {"data": pixels, "labels": [int(RNG.integers(10)) for _ in range(2)]}
    for name, content in contents.items():
        (root / name).write_bytes(pickle.dumps(content, protocol=2))
    for attribute in ("train_list", "test_list"):
        listed = [[n, md5(root / n)] for n, _ in getattr(datasets.CIFAR10, attribute)]
        monkeypatch.setattr(datasets.CIFAR10, attribute, listed)
    meta = {**datasets.CIFAR10.meta, "md5": md5(root / "batches.meta")}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return tmp_path, contents


def test_cifar10(cifar):
    root, contents = cifar
    train = datasets.CIFAR10(root, train=True)
    assert (train.data.shape, len(train.targets)) == ((10, 32, 32, 3), 10)
    test = datasets.CIFAR10(root, train=False, transform=transforms.PILToTensor())
    assert "Split: Test" in repr(test)
    image, target = test[1]
    expected = contents["test_batch"]["data"][1].reshape(3, 32, 32)
    assert np.array_equal(image.numpy(), expected)
    assert target == contents["test_batch"]["labels"][1]
    assert test.classes[target] == f"class {target}"
    (root / test.base_folder / "data_batch_3").write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.CIFAR10(root)


def test_cifar_files_run_no_code(cifar, monkeypatch):
    root, _ = cifar
    path = root / datasets.CIFAR10.base_folder / "batches.meta"
    path.write_bytes(pickle.dumps({"label_names": pytest.raises}))
    meta = {**datasets.CIFAR10.meta, "md5": md5(path)}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    with pytest.raises(pickle.UnpicklingError, match="has no business with"):
        datasets.CIFAR10(root)


def test_cifar10_from_its_archive(cifar, tmp_path, monkeypatch):
    root, _ = cifar
    new_root = tmp_path / "new"
    new_root.mkdir()
    archive = new_root / datasets.CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / datasets.CIFAR10.base_folder, datasets.CIFAR10.base_folder)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    assert len(datasets.CIFAR10(new_root, download=True)) == 10
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        datasets.CIFAR10(tmp_path / "empty", download=True)


def idx(array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_relatives_of_mnist(tmp_path):
    images = RNG.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    labels = np.array([1, 2, 26], np.uint8)
    for name, prefix in (("KMNIST", "t10k"), ("EMNIST", "emnist-letters-test")):
        raw = tmp_path / name / "raw"
        raw.mkdir(parents=True)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    kanji = datasets.KMNIST(tmp_path, train=False)
    assert kanji.classes[:2] == ["o", "ki"]
    letters = datasets.EMNIST(tmp_path, "letters", train=False)
    assert [letters.classes[target] for _, target in letters] == ["a", "b", "z"]
    assert np.array_equal(letters.data.numpy(), images)
    assert len(datasets.EMNIST.classes_split_dict["bymerge"]) == 47
    with pytest.raises(ValueError, match="Unknown value 'words' for argument split"):
        datasets.EMNIST(tmp_path, "words")
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.EMNIST(tmp_path, "digits")


def test_stl10(tmp_path, monkeypatch):
    root = tmp_path / "stl10_binary"
    root.mkdir()
    pictures = RNG.integers(0, 256, (4, 3, 96, 96)).astype(np.uint8)
    files = {
        "train_X.bin": pictures[:2],
        "train_y.bin": np.array([1, 10], np.uint8),
        "unlabeled_X.bin": pictures[2:3],
        "test_X.bin": pictures[3:],
        "test_y.bin": np.array([4], np.uint8),
    }
    for name, array in files.items():
        stored = array.transpose(0, 1, 3, 2) if array.ndim == 4 else array
        (root / name).write_bytes(stored.tobytes())
    (root / "class_names.txt").write_text("airplane\nbird\n")
    (root / "fold_indices.txt").write_text("1\n0\n")
    for attribute in ("train_list", "test_list"):
        listed = [[n, md5(root / n)] for n, _ in getattr(datasets.STL10, attribute)]
        monkeypatch.setattr(datasets.STL10, attribute, listed)
    both = datasets.STL10(tmp_path, "train+unlabeled", transform=transforms.PILToTensor())
    assert [target for _, target in both] == [0, 9, -1]
    assert np.array_equal(both[2][0].numpy(), pictures[2])
    fold = datasets.STL10(tmp_path, "train", folds=0)
    assert (len(fold), fold[0][1], fold.classes) == (1, 9, ["airplane", "bird"])
    assert datasets.STL10(tmp_path, "test")[0][1] == 3
    with pytest.raises(ValueError, match="range"):
        datasets.STL10(tmp_path, folds=10)


def test_usps(tmp_path):
    rows = RNG.uniform(-1, 1, (2, 256))
    lines = [f"{label} " + " ".join(f"{i + 1}:{v:.6f}" for i, v in enumerate(row))
             for label, row in zip((10, 1), rows)]  # fmt: skip
    (tmp_path / "usps.t.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    data = datasets.USPS(tmp_path, train=False)
    assert data.targets == [9, 0]
    expected = ((np.round(rows, 6) + 1) / 2 * 255).astype(np.uint8).reshape(2, 16, 16)
    assert np.array_equal(data.data, expected)
    with pytest.raises(FileNotFoundError):
        datasets.USPS(tmp_path)


def matlab_element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matlab_array(name, array, kind):
    flags = matlab_element(6, struct.pack("<II", 9, 0))
    sizes = matlab_element(5, struct.pack(f"<{array.ndim}i", *array.shape))
    small_name = struct.pack("<HH", 1, len(name)) + name.encode().ljust(4, b"\0")
    return matlab_element(
        14, flags + sizes + small_name + matlab_element(kind, array.tobytes(order="F"))
    )


def test_svhn(tmp_path, monkeypatch):
    pictures = RNG.integers(0, 256, (32, 32, 3, 3)).astype(np.uint8)
    labels = np.array([[1], [10], [9]], np.uint8)
    packed = zlib.compress(matlab_array("X", pictures, 2))
    content = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    content += struct.pack("<II", 15, len(packed)) + packed + matlab_array("y", labels, 2)
    path = tmp_path / "test_32x32.mat"
    path.write_bytes(content)
    assert np.array_equal(read_matlab(path)["X"], pictures)
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.SVHN(tmp_path, "test")  # not the published file
    monkeypatch.setitem(datasets.SVHN.split_list, "test", ["", path.name, md5(path)])
    data = datasets.SVHN(tmp_path, "test", transform=transforms.PILToTensor())
    assert [target for _, target in data] == [1, 0, 9]
    assert np.array_equal(data[2][0].numpy(), pictures[..., 2].transpose(2, 0, 1))
    path.write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="MATLAB file of level 5"):
        read_matlab(path)


def test_coco(tmp_path):
    save(tmp_path / "pictures" / "one.png")
    box = {"id": 7, "image_id": 3, "bbox": [0, 1, 2, 3], "category_id": 1, "caption": "a thing"}
    notes = {"images": [{"id": 3, "file_name": "one.png"}], "annotations": [box]}
    (tmp_path / "notes.json").write_text(json.dumps({**notes, "categories": [{"id": 1}]}))
    arguments = (tmp_path / "pictures", tmp_path / "notes.json")
    data = datasets.CocoDetection(*arguments, transform=transforms.ToTensor())
    image, target = data[0]
    assert (image.shape, target, data.ids) == ((3, 4, 5), [box], [3])
    assert datasets.CocoCaptions(*arguments)[0][1] == ["a thing"]
    with pytest.raises(ValueError, match="must be of type integer"):
        data["0"]


def test_voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2007"
    save(root / "JPEGImages" / "x.jpg")
    save(root / "SegmentationClass" / "x.png", 15, "L")
    for name in ("Main", "Segmentation"):
        (root / "ImageSets" / name).mkdir(parents=True)
        (root / "ImageSets" / name / "train.txt").write_text("x\n")
    (root / "Annotations").mkdir()
    thing = "<object><name>dog</name><bndbox><xmin>1</xmin></bndbox></object>"
    (root / "Annotations" / "x.xml").write_text(
        f"<annotation><size><width>5</width></size>{thing}</annotation>"
    )
    _, note = datasets.VOCDetection(tmp_path, "2007")[0]
    dog = {"name": "dog", "bndbox": {"xmin": "1"}}
    assert note == {"annotation": {"size": {"width": "5"}, "object": [dog]}}
    both = transforms.PILToTensor()
    data = datasets.VOCSegmentation(tmp_path, "2007", transform=both, target_transform=both)
    image, mask = data[0]
    assert (image.shape, mask.unique().tolist()) == ((3, 4, 5), [15])
    with pytest.raises(ValueError, match="argument image_set"):
        datasets.VOCDetection(tmp_path, "2012", "test")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.VOCDetection(tmp_path)


def test_archives(tmp_path):
    (tmp_path / "a.txt").write_text("content")
    assert utils.check_integrity(tmp_path / "a.txt", md5(tmp_path / "a.txt"))
    assert not utils.check_integrity(tmp_path / "a.txt", "0" * 32)
    assert not utils.check_integrity(tmp_path / "b.txt")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"packed"))
    utils.extract_archive(tmp_path / "c.txt.gz", remove_finished=True)
    assert (tmp_path / "c.txt").read_text() == "packed"
    assert sorted(utils.list_files(tmp_path, ".txt")) == ["a.txt", "c.txt"]
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        tar.add(tmp_path / "a.txt", "../outside.txt")
    with pytest.raises(tarfile.FilterError):
        utils.extract_archive(evil, tmp_path / "inner")
    with pytest.raises(RuntimeError, match="not a tar, zip"):
        utils.extract_archive(tmp_path / "a.txt")


def test_data_sets_that_are_not_built():
    with pytest.raises(NotImplementedError, match=r"datasets\.CelebA is not built"):
        _ = datasets.CelebA
