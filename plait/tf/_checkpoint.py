"""`tf.train.Checkpoint`: the variables that objects hold, saved by the paths of attributes to them.

A checkpoint may be restored before its variables are there: each takes its value when it becomes
an attribute of a `tf.Module` that the checkpoint reaches, or of the checkpoint itself; those of a
layer, or an optimizer, of Keras when that is built.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._checkpoint_files import SUFFIX, get_checkpoint_state, note_checkpoint, write_archive
from plait.tf._keras_objects import is_layer, parts_of_layer, restore_variable, when_built
from plait.tf._module import Module
from plait.tf._variable import Variable


def _join(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def _is_variable(value: Any) -> bool:
    """Whether an object is a variable, of TensorFlow's or of Keras' (optimizers assign, too)."""
    return hasattr(value, "assign") and hasattr(value, "shape")


def _walk(value: Any, path: str, note: Callable[[str, Any], None], seen: set[int]) -> None:
    """Call `note` for the variables that an object leads to, and for what may have others later:
    modules, and Keras' layers and optimizers."""
    if isinstance(value, Variable):
        note(path, value)
        return
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type(None), np.ndarray)):
        return
    seen.add(id(value))
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif is_layer(value):
        note(path, value)
        parts = parts_of_layer(value)
    elif hasattr(value, "variables") and not isinstance(value, Module):
        note(path, value)
        held: Any = value.variables() if callable(value.variables) else value.variables
        parts = enumerate(held)
    elif hasattr(value, "__dict__"):
        if isinstance(value, Module):
            note(path, value)
        parts = [(k, v) for k, v in vars(value).items() if not k.startswith(("__", "_restoring"))]
    elif hasattr(value, "assign"):
        note(path, value)  # a variable of Keras
        return
    for key, part in parts:
        if _is_variable(part):
            note(_join(path, key), part)
        else:
            _walk(part, _join(path, key), note, seen)


class _Restoring:
    """Values of a checkpoint that wait for their variables. used: the paths of those given."""

    def __init__(self, values: dict[str, np.ndarray]) -> None:
        self.values = values
        self.used: set[str] = set()

    def give(self, path: str, found: Any) -> None:
        """Give a variable its value; let a module tell of what becomes its attribute later."""
        if isinstance(found, Module):
            found.__dict__["_restoring"] = (self, path)
        elif not _is_variable(found):
            when_built(found, lambda: self._built(path, found))
        elif path in self.values and path not in self.used:
            self.used.add(path)
            restore_variable(found, self.values[path])

    def _built(self, path: str, found: Any) -> None:
        """A layer or an optimizer has its variables."""
        if len(self.used) < len(self.values):
            _walk(found, path, self.give, set())

    def reach(self, path: str, name: str, value: Any) -> None:
        """Something has become an attribute of a module."""
        if len(self.used) < len(self.values):
            _walk(value, _join(path, name), self.give, set())


class _Status:
    """What came of a restoration, up to now."""

    def __init__(self, checkpoint: Checkpoint | None, waiting: _Restoring) -> None:
        self._checkpoint, self._waiting = checkpoint, waiting

    def _missing(self) -> list[str]:
        there = {} if self._checkpoint is None else self._checkpoint._variables()
        return [name for name in there if name not in self._waiting.values]

    def assert_consumed(self) -> _Status:
        """Raises AssertionError unless every value was used and every variable found."""
        self.assert_existing_objects_matched()
        unused = [n for n in self._waiting.values if n not in self._waiting.used]
        if unused:
            raise error(AssertionError, f"Unresolved values in the checkpoint: {unused}")
        return self

    def assert_existing_objects_matched(self) -> _Status:
        """Raises AssertionError for variables that are not in the checkpoint."""
        missing = self._missing()
        if missing:
            raise error(AssertionError, f"Variables without a value in the checkpoint: {missing}")
        return self

    def assert_nontrivial_match(self) -> _Status:
        """Raises AssertionError where no variable got a value."""
        if not self._waiting.used - {"save_counter"}:
            raise error(AssertionError, "Nothing to restore: no variable is in the checkpoint")
        return self

    def expect_partial(self) -> _Status:
        return self

    def initialize_or_restore(self, session: Any = None) -> None:
        """Nothing: values are given as soon as variables are there."""

    run_restore_ops = initialize_or_restore


class Checkpoint:
    """Saves the variables that objects hold, by the names they are given here.

    root: an object whose attributes count as the checkpoint's own. Attributes set later count too.
    """

    def __init__(self, root: Any = None, **kwargs: Any) -> None:
        self._root = root
        self._waiting: _Restoring | None = None
        self.save_counter = Variable(np.int64(0), trainable=False, name="save_counter")
        for name, value in kwargs.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        waiting = self.__dict__.get("_waiting")
        if waiting is not None and not name.startswith("_"):
            waiting.reach("", name, value)

    def _each(self, note: Callable[[str, Any], None]) -> None:
        """Call `note` for all variables and modules that are reached."""
        seen: set[int] = set()
        if self._root is not None:
            _walk(self._root, "", note, seen)
        for name, value in list(vars(self).items()):
            if not name.startswith("_"):
                _walk(value, name, note, seen)

    def _variables(self) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def note(path: str, value: Any) -> None:
            if _is_variable(value):
                found[path] = value

        self._each(note)
        return found

    def write(self, file_prefix: Any, options: Any = None) -> str:
        """Write the values; gives the path to read from."""
        path = str(file_prefix)
        values = {name: np.asarray(v.numpy()) for name, v in self._variables().items()}
        write_archive(path + SUFFIX, values)
        return path

    def save(self, file_prefix: Any, options: Any = None) -> str:
        """Write the values to a path with the number of this saving behind it."""
        self.save_counter.assign_add(1)
        path = self.write(f"{file_prefix}-{int(self.save_counter)}")
        note_checkpoint(path, [path])
        return path

    def read(self, save_path: Any, options: Any = None) -> _Status:
        """Give variables their saved values: those that are there, and later ones as they come.

        Raises NotFoundError for a path that is none, ValueError for a value of another shape.
        """
        path = str(save_path)
        if not os.path.exists(path + SUFFIX):
            raise error(
                errors.NotFoundError,
                f"Unsuccessful TensorSliceReader constructor: Failed "
                f"to find any matching files for {path}",
            )
        with np.load(path + SUFFIX, allow_pickle=False) as archive:
            waiting = _Restoring({name: archive[name] for name in archive.files})
        self._each(waiting.give)
        self._waiting = waiting
        return _Status(self, waiting)

    def restore(self, save_path: Any, options: Any = None) -> _Status:
        """As `read`; nothing for None."""
        return _Status(None, _Restoring({})) if save_path is None else self.read(save_path)


class CheckpointManager:
    """Numbers checkpoints in a folder, and keeps the last few.

    keep_checkpoint_every_n_hours: of those that would be removed, one for so many hours stays.
    step_counter, checkpoint_interval: save no more than once in so many steps.
    """

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
        if checkpoint_interval is not None and step_counter is None:
            raise error(
                ValueError, "`step_counter` should be passed if `checkpoint_interval` is not None."
            )
        self._counter, self._interval = step_counter, checkpoint_interval
        self._last_step: int | None = None
        self._hours = keep_checkpoint_every_n_hours
        self._times: dict[str, float] = {}
        self._last_preserved = time.time()
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
    ) -> str | None:
        """Write a checkpoint, removing the oldest beyond the number kept; gives its path, or None
        where the last one is not long ago by the interval."""
        if check_interval and not self._due():
            return None
        self.checkpoint.save_counter.assign_add(1)
        number = int(
            self.checkpoint.save_counter if checkpoint_number is None else checkpoint_number
        )
        path = self.checkpoint.write(os.path.join(self.directory, f"{self._name}-{number}"))
        if path in self.checkpoints:
            self.checkpoints.remove(path)
        self.checkpoints.append(path)
        self._times[path] = time.time()
        while self._most and len(self.checkpoints) > self._most:
            self._let_go(self.checkpoints.pop(0))
        note_checkpoint(path, self.checkpoints)
        return path

    def _due(self) -> bool:
        """Whether enough steps have passed, which are noted then."""
        if self._interval is None:
            return True
        step = int(self._counter)
        if self._last_step is not None and step < self._last_step + self._interval:
            return False
        self._last_step = step
        return True

    def _let_go(self, path: str) -> None:
        """Remove a checkpoint, unless it is the one that stays for some hours."""
        made = self._times.pop(path, self._last_preserved)
        if self._hours is not None and made - self._last_preserved >= self._hours * 3600:
            self._last_preserved = made
        elif os.path.exists(path + SUFFIX):
            os.unlink(path + SUFFIX)

    def restore_or_initialize(self) -> str | None:
        """Restore the latest checkpoint; its path, or None where there is none."""
        latest = self.latest_checkpoint
        if latest is not None:
            self.checkpoint.restore(latest)
        elif self._init is not None:
            self._init()
        return latest
