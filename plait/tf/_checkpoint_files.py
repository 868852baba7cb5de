"""The files of checkpoints: archives of arrays by name, and which of them is the latest."""

from __future__ import annotations

import json
import os
import re
import tempfile
from typing import Any

import numpy as np

#: What Plait's checkpoints end with: a NumPy archive of the variables by path.
SUFFIX = ".plait.npz"
_STATE = "checkpoint"


def note_checkpoint(path: str, kept: list[str], filename: str | None = None) -> None:
    """Write down, beside a checkpoint, that it is the latest."""
    folder = os.path.dirname(os.path.abspath(path))
    text = f"model_checkpoint_path: {json.dumps(os.path.basename(path))}\n" + "".join(
        f"all_model_checkpoint_paths: {json.dumps(os.path.basename(p))}\n" for p in kept
    )
    target = os.path.join(folder, filename or _STATE)
    temporary = f"{target}.{os.getpid()}.part"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, target)


class CheckpointState:
    """What is written beside checkpoints: which is the latest, and which are there."""

    def __init__(self, latest: str, paths: list[str]) -> None:
        self.model_checkpoint_path = latest
        self.all_model_checkpoint_paths = paths


def get_checkpoint_state(checkpoint_dir: str, latest_filename: str | None = None) -> Any:
    """What is written in a folder of checkpoints; None where there is nothing."""
    path = os.path.join(checkpoint_dir, latest_filename or _STATE)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        lines = re.findall(r'(\w+): "(.*)"', file.read())
    paths = [os.path.join(checkpoint_dir, name) for key, name in lines if key.startswith("all_")]
    latest = [os.path.join(checkpoint_dir, name) for key, name in lines if key.startswith("model")]
    return CheckpointState(latest[-1], paths) if latest else None


def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """The path of the latest checkpoint in a folder; None where there is none."""
    found = get_checkpoint_state(str(checkpoint_dir), latest_filename)
    if found is None or not os.path.exists(found.model_checkpoint_path + SUFFIX):
        return None
    return found.model_checkpoint_path


def write_archive(path: str, values: dict[str, Any]) -> None:
    """Arrays by name as a file, which is there whole or not at all."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **values)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
