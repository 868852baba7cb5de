"""TensorBoard reads the event files, and finds in them what it finds in PyTorch's."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
import pytest

import plait
from plait.utils.tensorboard import SummaryWriter

pytest.importorskip("tensorboard", reason="it reads back what was written")


def read(folder: Any) -> Any:
    module = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    found = module.EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0})
    found.Reload()
    return found


def report(writer: Any, framework: Any) -> None:
    """One report of each kind."""
    rng = np.random.default_rng(0)

    def made(*shape: int) -> Any:
        return framework.from_numpy(rng.random(shape))

    writer.add_scalar("loss", made(1), 1)
    writer.add_scalar("new", 2.5, 1, new_style=True)
    writer.add_scalar("double", 0.1, 1, new_style=True, double_precision=True)
    writer.add_histogram("tensorflow", made(50) - 0.5, 1)
    writer.add_histogram("auto", made(50), 1, bins="auto")
    writer.add_histogram("few", made(50), 1, bins="fd", max_bins=3)
    writer.add_histogram_raw("raw", 0, 2, 3, 4, 5, [1, 2], [1, 2], 1)
    writer.add_image("chw", made(3, 4, 5), 1)
    writer.add_image("hw", made(4, 5), 1, dataformats="HW")
    writer.add_image("hwc", (made(4, 5, 3) * 255).to(framework.uint8), 1, dataformats="HWC")
    writer.add_images("grid", made(11, 1, 4, 5), 1)
    writer.add_text("note", "some *text*", 1)
    writer.add_hparams({"lr": 0.1, "on": True, "name": "a"}, {"acc": 0.5}, {"lr": [0.1]}, "run", 2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Any]:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    theirs = importlib.import_module("torch.utils.tensorboard").SummaryWriter
    found = {}
    for name, kind, framework in (("plait", SummaryWriter, plait), ("torch", theirs, torch)):
        found[name] = tmp_path_factory.mktemp(name)
        with kind(str(found[name])) as writer:
            report(writer, framework)
    return found


@pytest.mark.parametrize("part", ["", "run"])
def test_what_tensorboard_reads_is_what_it_reads_of_pytorch(folders, part) -> None:
    ours, theirs = (read(folders[name] / part) for name in ("plait", "torch"))
    assert ours.Tags() == theirs.Tags()
    for tag in ours.Tags()["scalars"]:
        a, b = ours.Scalars(tag)[0], theirs.Scalars(tag)[0]
        assert (a.step, a.value) == (b.step, b.value)
    for tag in ours.Tags()["histograms"]:
        a, b = ours.Histograms(tag)[0], theirs.Histograms(tag)[0]
        assert a.step == b.step
        for part_of in ("min", "max", "num", "sum", "sum_squares", "bucket_limit", "bucket"):
            mine, real = (getattr(one.histogram_value, part_of) for one in (a, b))
            np.testing.assert_allclose(mine, real, rtol=1e-12)
    for tag in ours.Tags()["tensors"]:
        a, b = ours.Tensors(tag)[0], theirs.Tensors(tag)[0]
        assert (a.step, a.tensor_proto) == (b.step, b.tensor_proto)
        assert ours.SummaryMetadata(tag) == theirs.SummaryMetadata(tag)
    if part:
        mine, real = (one.PluginTagToContent("hparams") for one in (ours, theirs))
        assert set(mine) == set(real)
        messages = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")
        for tag in mine:
            parsed = [messages.HParamsPluginData.FromString(one[tag]) for one in (mine, real)]
            assert parsed[0] == parsed[1]


def test_pictures_have_the_pixels_of_pytorch(folders) -> None:
    image = pytest.importorskip("PIL.Image", reason="images are Pillow's, an extra")
    ours, theirs = (read(folders[name]) for name in ("plait", "torch"))
    assert ours.Tags()["images"]
    for tag in ours.Tags()["images"]:
        a, b = ours.Images(tag)[0], theirs.Images(tag)[0]
        assert (a.step, a.width, a.height) == (b.step, b.width, b.height)
        mine, real = (image.open(io.BytesIO(one.encoded_image_string)) for one in (a, b))
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(real))


def test_tensorboard_reads_graph_and_tensor(tmp_path) -> None:
    model = plait.nn.Sequential(plait.nn.Linear(3, 4), plait.nn.ReLU())
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_graph(model, plait.ones(2, 3))
        writer.add_tensor("t", plait.arange(6).reshape(2, 3), 3)
    found = read(tmp_path)
    graph = found.Graph()
    shapes = {
        node.name: [d.size for d in node.attr["_output_shapes"].list.shape[0].dim]
        for node in graph.node
    }
    assert shapes["Sequential/0/weight"] == [4, 3]
    assert shapes["output/output.1"] == [2, 4]
    make_ndarray = importlib.import_module("tensorboard.util.tensor_util").make_ndarray
    event = found.Tensors("t")[0]
    assert event.step == 3
    np.testing.assert_array_equal(make_ndarray(event.tensor_proto), [[0, 1, 2], [3, 4, 5]])


def test_tensorboard_reads_every_kind(tmp_path) -> None:
    """What was put in, without PyTorch to compare with."""
    with SummaryWriter(str(tmp_path)) as writer:
        report(writer, plait)
    found = read(tmp_path)
    tags = found.Tags()
    assert tags["scalars"] == ["loss"]
    assert sorted(tags["histograms"]) == ["auto", "few", "raw", "tensorflow"]
    assert sorted(tags["images"]) == ["chw", "grid", "hw", "hwc"]
    assert sorted(tags["tensors"]) == ["double", "new", "note/text_summary"]
    draws = np.random.default_rng(0)
    assert found.Scalars("loss")[0].value == pytest.approx(draws.random(1)[0])
    first = draws.random(50) - 0.5
    told = found.Histograms("tensorflow")[0].histogram_value
    assert (told.num, told.sum, told.max) == (50, pytest.approx(first.sum()), first.max())
    assert sum(told.bucket) == 50
    image = found.Images("chw")[0]
    assert (image.step, image.width, image.height) == (1, 5, 4)
    make_ndarray = importlib.import_module("tensorboard.util.tensor_util").make_ndarray
    (text,) = make_ndarray(found.Tensors("note/text_summary")[0].tensor_proto)
    assert text == b"some *text*"
    run = read(tmp_path / "run")
    assert run.Tags()["scalars"] == ["acc"] and run.Scalars("acc")[0].value == 0.5
    assert set(run.PluginTagToContent("hparams")) == {
        "_hparams_/experiment",
        "_hparams_/session_end_info",
        "_hparams_/session_start_info",
    }
