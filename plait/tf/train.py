"""`tf.train`: checkpoints, and the messages of TFRecord files."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._records import (
    BytesList,
    Example,
    Feature,
    Features,
    FloatList,
    Int64List,
)  # fmt: skip
from plait.tf._variable import Variable

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


def _tracked(value: Any, path: str, found: dict[str, Any], seen: set[int]) -> None:
    """Note the variables that an object holds, by the path of attributes to each."""
    if isinstance(value, Variable):
        found[path] = value
        return
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type(None), np.ndarray)):
        return
    seen.add(id(value))
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif hasattr(value, "variables") and not hasattr(type(value), "_found"):
        held: Any = value.variables() if callable(value.variables) else value.variables
        parts = enumerate(held)
    elif hasattr(value, "__dict__"):
        parts = [(k, v) for k, v in vars(value).items() if not k.startswith("__")]
    elif hasattr(value, "assign"):
        found[path] = value  # a variable of Keras
        return
    for key, part in parts:
        if hasattr(part, "assign") and hasattr(part, "shape"):
            found[f"{path}/{key}"] = part
        else:
            _tracked(part, f"{path}/{key}", found, seen)


class _Status:
    """What came of a restoration."""

    def __init__(self, missing: list[str], unused: list[str]) -> None:
        self._missing, self._unused = missing, unused

    def assert_consumed(self) -> _Status:
        """Raises AssertionError unless every value was used and every variable found."""
        self.assert_existing_objects_matched()
        if self._unused:
            raise error(AssertionError, f"Unresolved values in the checkpoint: {self._unused}")
        return self

    def assert_existing_objects_matched(self) -> _Status:
        """Raises AssertionError for variables that are not in the checkpoint."""
        if self._missing:
            raise error(
                AssertionError, f"Variables without a value in the checkpoint: {self._missing}"
            )
        return self

    assert_nontrivial_match = assert_existing_objects_matched

    def expect_partial(self) -> _Status:
        return self


class Checkpoint:
    """Saves the variables that objects hold, by the names they are given here."""

    def __init__(self, root: Any = None, **kwargs: Any) -> None:
        self._root = root
        self._held = kwargs
        self.save_counter = Variable(np.int64(0), trainable=False, name="save_counter")
        for name, value in kwargs.items():
            setattr(self, name, value)

    def _variables(self) -> dict[str, Any]:
        found: dict[str, Any] = {"save_counter": self.save_counter}
        if self._root is not None:
            _tracked(self._root, "root", found, set())
        for name, value in self._held.items():
            _tracked(value, name, found, set())
        return found

    def write(self, file_prefix: Any, options: Any = None) -> str:
        """Write the values; gives the path to read from."""
        from plait.tf.compat._saver import write_archive

        path = str(file_prefix)
        write_archive(
            path + SUFFIX, {name: np.asarray(v.numpy()) for name, v in self._variables().items()}
        )
        return path

    def save(self, file_prefix: Any, options: Any = None) -> str:
        """Write the values to a path with the number of this saving behind it."""
        self.save_counter.assign_add(1)
        path = self.write(f"{file_prefix}-{int(self.save_counter)}")
        note_checkpoint(path, [path])
        return path

    def read(self, save_path: Any, options: Any = None) -> _Status:
        """Give the variables that are there now their saved values.

        Raises NotFoundError for a path that is none.
        """
        path = str(save_path)
        if not os.path.exists(path + SUFFIX):
            raise error(
                errors.NotFoundError,
                f"Unsuccessful TensorSliceReader constructor: Failed "
                f"to find any matching files for {path}",
            )
        with np.load(path + SUFFIX, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
        variables = self._variables()
        for name, variable in variables.items():
            if name in values:
                variable.assign(values[name])
        return _Status(
            [n for n in variables if n not in values], [n for n in values if n not in variables]
        )

    def restore(self, save_path: Any, options: Any = None) -> _Status:
        """As `read`; nothing for None."""
        return _Status([], []) if save_path is None else self.read(save_path)


class CheckpointManager:
    """Numbers checkpoints in a folder, and keeps the last few."""

    def __init__(
        self,
        checkpoint: Any,
        directory: Any,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: Any = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: Any = None,
        init_fn: Any = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.directory = str(directory)
        self._most = max_to_keep
        self._name = checkpoint_name
        self._init = init_fn
        found = get_checkpoint_state(self.directory)
        self.checkpoints = (
            []
            if found is None
            else [p for p in found.all_model_checkpoint_paths if os.path.exists(p + SUFFIX)]
        )

    @property
    def latest_checkpoint(self) -> str | None:
        return self.checkpoints[-1] if self.checkpoints else None

    def save(
        self, checkpoint_number: Any = None, check_interval: bool = True, options: Any = None
    ) -> str:
        """Write a checkpoint, removing the oldest beyond the number kept; gives its path."""
        self.checkpoint.save_counter.assign_add(1)
        number = int(
            self.checkpoint.save_counter if checkpoint_number is None else checkpoint_number
        )
        path = self.checkpoint.write(os.path.join(self.directory, f"{self._name}-{number}"))
        self.checkpoints.append(path)
        while self._most and len(self.checkpoints) > self._most:
            old = self.checkpoints.pop(0) + SUFFIX
            if os.path.exists(old):
                os.unlink(old)
        note_checkpoint(path, self.checkpoints)
        return path

    def restore_or_initialize(self) -> str | None:
        """Restore the latest checkpoint; its path, or None where there is none."""
        latest = self.latest_checkpoint
        if latest is not None:
            self.checkpoint.restore(latest)
        elif self._init is not None:
            self._init()
        return latest


class _Reader:
    """The values in a checkpoint."""

    def __init__(self, path: str) -> None:
        with np.load(path + SUFFIX, allow_pickle=False) as archive:
            self._values = {name: archive[name] for name in archive.files}

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        return {name: list(v.shape) for name, v in self._values.items()}

    def get_variable_to_dtype_map(self) -> dict[str, Any]:
        return {name: v.dtype for name, v in self._values.items()}

    def has_tensor(self, name: str) -> bool:
        return name in self._values

    def get_tensor(self, name: str) -> np.ndarray:
        return self._values[name]


def _prefix(path: Any) -> str:
    found = str(path)
    if os.path.isdir(found):
        found = latest_checkpoint(found) or found
    if not os.path.exists(found + SUFFIX):
        raise error(errors.NotFoundError, f"there is no checkpoint {found}")
    return found


def load_checkpoint(ckpt_dir_or_file: Any) -> _Reader:
    """The values in a checkpoint. Raises NotFoundError."""
    return _Reader(_prefix(ckpt_dir_or_file))


def load_variable(ckpt_dir_or_file: Any, name: str) -> np.ndarray:
    """One value in a checkpoint."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name)


def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """(name, shape) of the values in a checkpoint."""
    shapes = load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map()
    return sorted(shapes.items())


def __getattr__(name: str) -> Any:
    """Names of TensorFlow 1 that old programs look for here."""
    from plait.tf.compat import v1

    if not name.startswith("_") and name in vars(v1.train):
        return vars(v1.train)[name]
    raise AttributeError(f"module 'tensorflow.train' has no attribute {name!r}")
