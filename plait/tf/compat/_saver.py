"""`tf.train.Saver`: variables of a graph by name, in one NumPy archive per checkpoint."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._checkpoint_files import SUFFIX, latest_checkpoint, note_checkpoint, write_archive
from plait.tf._variable import Variable
from plait.tf.compat._scopes import global_variables


class Saver:
    """Saves variables, and restores them.

    var_list: variables, or a dict of them by the names they have in files; all by default.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        given = global_variables() if var_list is None else var_list
        if not given:
            raise error(ValueError, "No variables to save")
        self._most = max_to_keep
        self._paths: list[str] = []
        self._held = dict(given) if isinstance(given, dict) else {v.name[:-2]: v for v in given}

    def _variables(self) -> dict[str, Variable]:
        return self._held

    @property
    def last_checkpoints(self) -> list[str]:
        return list(self._paths)

    def recover_last_checkpoints(self, checkpoint_paths: Any) -> None:
        """Take over checkpoints, oldest first, which are removed when there are too many."""
        self._paths = [path for path in checkpoint_paths if checkpoint_exists(path)]

    set_last_checkpoints = recover_last_checkpoints

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        **kwargs: Any,
    ) -> str:
        """Write the values; gives the path to restore from."""
        step = global_step
        if step is not None and not isinstance(step, (int, np.integer)):
            step = sess.run(step)
        path = save_path if step is None else f"{save_path}-{int(step)}"
        values = {name: _value(sess, v) for name, v in self._variables().items()}
        write_archive(path + SUFFIX, values)
        if path in self._paths:
            self._paths.remove(path)
        self._paths.append(path)
        while self._most and len(self._paths) > self._most:
            _remove(self._paths.pop(0))
        if write_state:
            note_checkpoint(path, self._paths, latest_filename)
        return path

    def restore(self, sess: Any, save_path: str) -> None:
        """Give the variables their saved values. Raises ValueError for a path that is none,
        NotFoundError for variables that are not in the file."""
        if save_path is None:
            raise error(ValueError, "Can't load save_path when it is None.")
        if not os.path.exists(save_path + SUFFIX):
            raise error(ValueError, f"The passed save_path is not a valid checkpoint: {save_path}")
        with np.load(save_path + SUFFIX, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
        for name, variable in self._variables().items():
            if name not in held:
                raise error(errors.NotFoundError, f"Key {name} not found in checkpoint")
            if variable.graph is None:
                variable.assign(held[name])
            else:
                sess.load(variable, held[name])


def _value(sess: Any, variable: Variable) -> Any:
    return variable.numpy() if variable.graph is None else sess.run(variable)


def _remove(path: str) -> None:
    for suffix in (SUFFIX,):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)


def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Whether there is a checkpoint of this name."""
    return os.path.exists(checkpoint_prefix + SUFFIX)


def step_of(path: str) -> int:
    """The step that a checkpoint's name ends with; -1 for none."""
    found = re.search(r"-(\d+)$", path)
    return int(found[1]) if found else -1


__all__ = ["Saver", "checkpoint_exists", "latest_checkpoint", "step_of", "write_archive"]
