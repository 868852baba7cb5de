"""`tf.train`: checkpoints, and the messages of TFRecord files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from plait._unbuilt import NotBuilt
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._checkpoint import Checkpoint, CheckpointManager
from plait.tf._checkpoint_files import (
    SUFFIX,
    CheckpointState,
    get_checkpoint_state,
    latest_checkpoint,
    note_checkpoint,
)  # fmt: skip
from plait.tf._records import (
    BytesList,
    Example,
    Feature,
    Features,
    FloatList,
    Int64List,
)  # fmt: skip


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


NewCheckpointReader = load_checkpoint

#: Graphs in files, several processes.
_UNBUILT = frozenset([
    "AdagradDAOptimizer", "ClusterSpec", "ProfilerHook", "Server", "SessionManager", "Supervisor",
    "SyncReplicasOptimizer", "export_meta_graph", "import_meta_graph", "maybe_batch",
    "maybe_batch_join", "maybe_shuffle_batch", "maybe_shuffle_batch_join", "replica_device_setter",
    "write_graph",
])  # fmt: skip


def __getattr__(name: str) -> Any:
    """Names of TensorFlow 1 that old programs look for here."""
    from plait.tf.compat import _producers, v1

    if not name.startswith("_") and name in vars(v1.train):
        found = vars(v1.train)[name]
        return v1.begun_by(found) if name in _producers.__all__ else found
    if name in _UNBUILT:
        raise NotBuilt(f"tf.train.{name} is not built in Plait yet")
    raise AttributeError(f"module 'tensorflow.train' has no attribute {name!r}")
