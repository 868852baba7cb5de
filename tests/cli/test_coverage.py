"""`plait coverage`: which names a program uses, and which are missing."""

from __future__ import annotations

from plait.cli import coverage
from plait.cli.main import main

PROGRAM = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader as Loader
from torchvision import transforms
import numpy as np

class Net(nn.Module):
    def forward(self, x):
        return F.relu(self.layer(x)).flatten(1)

model = Net()
optimizer = optim.Adam(model.parameters())
optimizer.step()
", ".join(["a"]).split(",")
np.relu(3)
torch.cuda.is_available()
torch.tensor(1).to_mkldnn()
torch.nn.Linear.forward
torch.no_such_name(1)
transforms.ToTensor()
"""


def test_names_and_their_lines() -> None:
    found = coverage.names_of(PROGRAM)
    assert found == {
        "[import] torch.nn": [3],
        "[import] torch.nn.functional": [4],
        "torch.optim": [5],
        "torch.utils.data.DataLoader": [6],
        "torchvision.transforms": [7],
        "torch.nn.Module": [10],
        "torch.nn.functional.relu": [12],
        "Tensor.flatten": [12],
        "nn.Module.parameters": [15],
        "torch.optim.Adam": [15],
        "Optimizer.step": [16],
        "Tensor.relu": [18],  # a spelling tells no more
        "torch.cuda.is_available": [19],
        "torch.tensor": [20],
        "Tensor.to_mkldnn": [20],
        "torch.nn.Linear.forward": [21],
        "torch.no_such_name": [22],
        "torchvision.transforms.ToTensor": [23],
    }


def test_programs_of_tensorflow() -> None:
    text = "import tensorflow as tf\nx = tf.constant([1.0]).relu()\ntf.nn.relu(x)\ntf.nonsense(x)"
    found = coverage.names_of(text)
    assert found == {
        "tensorflow.constant": [2],
        "tensorflow.nn.relu": [3],
        "tensorflow.nonsense": [4],
    }
    assert [coverage.has(name) for name in found] == [True, True, False]
    assert coverage.has("tensorflow.compat.v1.placeholder")
    assert not coverage.has("tensorflow.lite.Interpreter")


def test_what_is_there() -> None:
    there = [
        "torch",
        "torch.nn.Linear",
        "torch.float32",
        "torch.version.cuda",
        "torch.__version__",
        "[import] torch.nn.functional",
        "Tensor.relu",
        "Tensor|Module.to",
        "nn.Module.parameters",
        "nn.Module.training",
        "Module|Optimizer.state_dict",
        "Optimizer.param_groups",
        "Optimizer|Scheduler.step",
        "torchvision.transforms.ToTensor",
        "torchaudio.load",
        "torchaudio.transforms.MFCC",
    ]
    assert [name for name in there if not coverage.has(name)] == []


def test_what_is_not_there() -> None:
    missing = [
        "torchaudio.functional.vad",
        "torch.no_such_name",
        "torch.nn.no_such.name",
        "[import] torch.no_such_part",
        "Tensor.no_such_method",
        "Tensor|Module.relu",
        "Optimizer.parameters",
        "torch.optim.no_such",
        "torch.float32.no_such",
        "torch.fx.Proxy",  # listed as not built
        "torch.jit.CompilationUnit",
    ]
    assert [name for name in missing if coverage.has(name)] == []


def test_names_of_a_star_import() -> None:
    found = coverage.names_of("from torch.nn import *\nLinear(1, 2)\nprint(sum)\n")
    assert found == {"[import] torch.nn": [1], "torch.nn.Linear": [2]}


def test_report_and_exit_status(tmp_path, capsys) -> None:
    file = tmp_path / "program.py"
    file.write_text("import torch\n\nx = torch.ones(2)\ntorch.no_such(x)\n")
    assert main(["coverage", str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "torch.no_such  MISSING  line 4",
        "torch.ones     ok       line 3",
        "2 names, 1 missing",
    ]
    file.write_text("import torch\ntorch.ones(2)\n")
    assert main(["coverage", str(file)]) == 0


def test_files_that_cannot_be_read(tmp_path, capsys) -> None:
    assert main(["coverage", str(tmp_path / "none.py")]) == 2
    assert "can't open file" in capsys.readouterr().err
    file = tmp_path / "broken.py"
    file.write_text("x = (\n")
    assert main(["coverage", str(file)]) == 2
    assert "can't parse file" in capsys.readouterr().err
