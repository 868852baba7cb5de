"""Hooks of TensorFlow 1 that write checkpoints and event files."""

from __future__ import annotations

import os
from typing import Any

from plait.core.ir.errors import error
from plait.tf._records import block
from plait.tf.compat._hooks import (
    SecondOrStepTimer,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    log,
    step_of_graph,
)  # fmt: skip
from plait.tf.compat._saver import Saver
from plait.tf.compat._scopes import GraphKeys, default_graph
from plait.tf.summary import FileWriter, scalar_value


class CheckpointSaverListener:
    """What happens around checkpoints; each method may do nothing. Where `after_save` gives True,
    training ends."""

    def begin(self) -> None:
        """Before the session is made."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """A checkpoint is about to be written."""

    def after_save(self, session: Any, global_step_value: int) -> Any:
        """A checkpoint has been written."""

    def end(self, session: Any, global_step_value: int) -> None:
        """The session ends."""


class _AtSteps(SessionRunHook):
    """Does something every so many steps or seconds, as `_timer` says.

    The step that a run was fetched with may be behind: before it counts, it is read once more.
    """

    _timer: SecondOrStepTimer
    _step: Any

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if not self._timer.should_trigger_for_step(int(run_values.results) + 1):
            return
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            self.is_due(run_context, step)

    def is_due(self, run_context: SessionRunContext, step: int) -> None:
        """What is done then."""
        raise NotImplementedError


class CheckpointSaverHook(_AtSteps):
    """Writes checkpoints: at the beginning, every so many seconds or steps, and at the end."""

    def __init__(
        self,
        checkpoint_dir: Any,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Any = None,
        save_graph_def: bool = True,
    ) -> None:
        if saver is not None and scaffold is not None:
            raise error(ValueError, "You cannot provide both saver and scaffold.")
        self._saver, self._scaffold = saver, scaffold
        self._path = os.path.join(os.fspath(checkpoint_dir), checkpoint_basename)
        self._listeners = list(listeners or [])
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        self._step = step_of_graph("CheckpointSaverHook")
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        step = int(session.run(self._step))
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def is_due(self, run_context: SessionRunContext, step: int) -> None:
        self._timer.update_last_triggered_step(step)
        if self._save(run_context.session, step):
            run_context.request_stop()

    def end(self, session: Any) -> None:
        last = int(session.run(self._step))
        if last != self._timer.last_triggered_step():
            self._save(session, last)
        for listener in self._listeners:
            listener.end(session, last)

    def _save(self, session: Any, step: int) -> bool:
        """Write a checkpoint; whether a listener asks to end training."""
        log("Saving checkpoints for %d into %s.", step, self._path)
        for listener in self._listeners:
            listener.before_save(session, step)
        self._which().save(session, self._path, global_step=step)
        asked = [bool(listener.after_save(session, step)) for listener in self._listeners]
        return any(asked)

    def _which(self) -> Any:
        if self._saver is None and self._scaffold is not None:
            self._saver = self._scaffold.saver
        if self._saver is None:
            kept = default_graph().get_collection(GraphKeys.SAVERS)
            if len(kept) > 1:
                raise error(
                    RuntimeError,
                    f"More than one item in collection {GraphKeys.SAVERS}. Please indicate which "
                    "one to use by passing it to the constructor.",
                )
            self._saver = kept[0] if kept else Saver()
        return self._saver


class SummarySaverHook(SessionRunHook):
    """Writes summaries every so many steps or seconds: those of `summary_op`, or the scaffold's."""

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise error(ValueError, "Exactly one of scaffold or summary_op must be provided.")
        self._summary, self._scaffold = summary_op, scaffold
        self._writer, self._folder = summary_writer, output_dir
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        if self._writer is None and self._folder:
            self._writer = FileWriter(self._folder)
        self._step = step_of_graph("SummarySaverHook")
        self._next: int | None = None

    def before_run(self, run_context: SessionRunContext) -> Any:
        self._wanted = self._next is None or self._timer.should_trigger_for_step(self._next)
        fetches = {"step": self._step}
        summary = self._summaries() if self._wanted else None
        if summary is not None:
            fetches["summary"] = summary
        return SessionRunArgs(fetches)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        step = int(run_values.results["step"]) + 1
        if self._writer is None:
            return
        if self._next is None or self._wanted:
            step = int(run_context.session.run(self._step))
        if self._wanted:
            self._timer.update_last_triggered_step(step)
            found = run_values.results.get("summary")
            for text in found if isinstance(found, list) else [found]:
                if text is not None:
                    self._writer.add_summary(text, step)
        self._next = step + 1

    def end(self, session: Any) -> None:
        if self._writer is not None:
            self._writer.flush()

    def _summaries(self) -> Any:
        return self._summary if self._summary is not None else self._scaffold.summary_op


class StepCounterHook(_AtSteps):
    """Logs, and writes as a summary, how many steps a second are made."""

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
    ) -> None:
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps)
        self._writer, self._folder = summary_writer, output_dir

    def begin(self) -> None:
        if self._writer is None and self._folder:
            self._writer = FileWriter(self._folder)
        self._step = step_of_graph("StepCounterHook")
        self._tag = f"{self._step.name[:-2]}/sec"

    def is_due(self, run_context: SessionRunContext, step: int) -> None:
        seconds, steps = self._timer.update_last_triggered_step(step)
        if seconds is not None and steps is not None:
            self._note(step, steps / max(seconds, 1e-9))

    def _note(self, step: int, rate: float) -> None:
        if self._writer is not None:
            self._writer.add_summary(block(1, scalar_value(self._tag, rate)), step)
        log("%s: %g", self._tag, rate)
