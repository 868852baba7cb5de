"""Aliases over the finished face: the imports PyTorch programs begin with, and DataLoader
workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def plait_run(tmp_path, text):
    path = tmp_path / "main.py"
    path.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PLAIT_ALIASES", None)
    done = subprocess.run(
        [sys.executable, "-m", "plait", "run", str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_imports_of_pytorch_programs_give_the_same_objects(tmp_path):
    lines = plait_run(
        tmp_path,
        """
import sys
import torch
import torch.nn.functional as F
import torchvision
import torchvision.transforms as T
from torch import nn
from torch.utils.data import DataLoader
import plait, plait.vision
import plait.vision.transforms

print(torch.nn is plait.nn is nn, F is plait.nn.functional, torchvision is plait.vision)
print(T is plait.vision.transforms, DataLoader is plait.utils.data.DataLoader)
print(sys.modules["torch.nn"] is plait.nn, plait.nn.__name__, plait.nn.__spec__.name)
print(isinstance(nn.Linear(1, 1), plait.nn.Linear), nn.Linear.__module__)
""",
    )
    assert lines == [
        "True True True",
        "True True",
        "True plait.nn plait.nn",
        "True plait.nn.modules.linear",
    ]


def test_pickles_cross_between_both_names(tmp_path):
    lines = plait_run(
        tmp_path,
        """
import pickle
import plait, torch
blob = pickle.dumps(torch.nn.Linear(2, 1))
print(b"plait.nn" in blob, type(pickle.loads(blob)) is plait.nn.Linear)
""",
    )
    assert lines == ["True True"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_loader_workers_run_the_users_own_data_set(tmp_path, method):
    lines = plait_run(
        tmp_path,
        f"""
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 6
    def __getitem__(self, i):
        return torch.tensor(float(i * i))

if __name__ == "__main__":
    loader = DataLoader(
        Squares(), batch_size=2, num_workers=2, multiprocessing_context="{method}"
    )
    print([batch.tolist() for batch in loader])
""",
    )
    assert lines == ["[[0.0, 1.0], [4.0, 9.0], [16.0, 25.0]]"]


def test_functions_stay_in_front_of_the_modules_they_are_in(tmp_path):
    lines = plait_run(
        tmp_path,
        """
import torchvision

assert torchvision.models.resnet18 and torchvision.transforms.v2.Compose
from torchvision.models.alexnet import AlexNet
from torchvision.ops.roi_align import RoIAlign
import torchvision.models.googlenet
from torchvision import models, ops

print(callable(models.alexnet), callable(models.googlenet), callable(ops.roi_align))
print(models.AlexNet is AlexNet, ops.RoIAlign is RoIAlign)
print(sorted(n for n in vars(models) if n.startswith("alex") and callable(vars(models)[n])))
""",
    )
    assert lines == ["True True True", "True True", "['alexnet']"]
