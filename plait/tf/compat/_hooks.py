"""Hooks of TensorFlow 1: what happens around each run of a monitored session.

The base, what hooks are told, and those that end training, log, and check. Those that write files
are in `_file_hooks`.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf.compat._rates import get_global_step
from plait.tf.compat._scopes import default_graph


class SessionRunArgs(collections.namedtuple("SessionRunArgs", ["fetches", "feed_dict", "options"])):
    """What a run fetches besides, and is fed."""

    __slots__ = ()

    def __new__(cls, fetches: Any, feed_dict: Any = None, options: Any = None) -> SessionRunArgs:
        return super().__new__(cls, fetches, feed_dict, options)


#: What came of a run: the values that a hook has fetched, in their structure.
SessionRunValues = collections.namedtuple(
    "SessionRunValues", ["results", "options", "run_metadata"]
)


class SessionRunContext:
    """One run: what was asked, in which session, and whether it is the last."""

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self.original_args, self.session = original_args, session
        self.stop_requested = False

    def request_stop(self) -> None:
        """The session is to end after this run."""
        self.stop_requested = True


class SessionRunHook:
    """What happens around runs; each method may do nothing."""

    def begin(self) -> None:
        """Before the session is made: the graph can still be added to."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """The session is there, its variables have values, the graph is final."""

    def before_run(self, run_context: SessionRunContext) -> Any:
        """What the run is to fetch besides (`SessionRunArgs`), or None."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        """The run is over; not called where it raised."""

    def end(self, session: Any) -> None:
        """The session ends; not called where a run raised."""


class SecondOrStepTimer:
    """Whether so many seconds, or so many steps, have passed since the last time."""

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if (every_secs is None) == (every_steps is None):
            raise error(ValueError, "exactly one of every_secs and every_steps should be provided.")
        self._seconds, self._steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """As if there had been no last time."""
        self._last_step: int | None = None
        self._last_time: float | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it is time, the first time included; never twice for one step."""
        if self._last_step is None or self._last_time is None:
            return True
        if step == self._last_step:
            return False
        if self._seconds is not None:
            return time.time() >= self._last_time + self._seconds
        return self._steps is not None and step >= self._last_step + self._steps

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """This is the last time now; (seconds, steps) since that before, None the first time."""
        now, elapsed = time.time(), (None, None)
        if self._last_step is not None and self._last_time is not None:
            elapsed = (now - self._last_time, step - self._last_step)
        self._last_time, self._last_step = now, step
        return elapsed

    def last_triggered_step(self) -> int | None:
        return self._last_step


def step_of_graph(hook: str) -> Any:
    """The variable that counts steps. Raises RuntimeError where there is none."""
    found = get_global_step()
    if found is None:
        raise error(RuntimeError, f"Global step should be created to use {hook}.")
    return found


def log(message: str, *args: Any) -> None:
    """Say something to users of `tf.logging`."""
    from plait.tf.compat.v1 import logging

    logging.info(message, *args)


class StopAtStepHook(SessionRunHook):
    """Ends training after `num_steps` more steps, or at step `last_step`."""

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise error(ValueError, "Exactly one of num_steps or last_step must be specified.")
        self._more, self._last = num_steps, last_step

    def begin(self) -> None:
        self._step = step_of_graph("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._last is None and self._more is not None:
            self._last = int(session.run(self._step)) + self._more

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        # The count was fetched in the run that may have changed it: near the end it is read again.
        last = self._last or 0
        if run_values.results + 1 < last:
            return
        if int(run_context.session.run(self._step)) >= last:
            run_context.request_stop()


class LoggingTensorHook(SessionRunHook):
    """Logs the values of tensors, now and then.

    tensors: tensors or names of them, or a dict of them by what they are called. Raises ValueError
    unless one of `every_n_iter` and `every_n_secs`, or `at_end`, is given.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise error(
                ValueError,
                "either at_end and/or exactly one of every_n_iter and every_n_secs must be "
                "provided.",
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise error(ValueError, f"invalid every_n_iter={every_n_iter}.")
        if isinstance(tensors, dict):
            self._order, self._tensors = list(tensors), tensors
        else:
            self._order = [t if isinstance(t, str) else t.name for t in tensors]
            self._tensors = dict(zip(self._order, tensors))
        self._formatter, self._at_end = formatter, at_end
        self._timer = None if only_at_end else SecondOrStepTimer(every_n_secs, every_n_iter)

    def begin(self) -> None:
        if self._timer is not None:
            self._timer.reset()
        self._runs = 0
        self._current = {tag: _element(t) for tag, t in self._tensors.items()}

    def before_run(self, run_context: SessionRunContext) -> Any:
        timer = self._timer
        self._wanted = timer is not None and timer.should_trigger_for_step(self._runs)
        return SessionRunArgs(self._current) if self._wanted else None

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if self._wanted:
            self._log(run_values.results)
        self._runs += 1

    def end(self, session: Any) -> None:
        if self._at_end:
            self._log(session.run(self._current))

    def _log(self, values: dict[str, Any]) -> None:
        seconds = None
        if self._timer is not None:
            seconds, _ = self._timer.update_last_triggered_step(self._runs)
        if self._formatter is not None:
            log("%s", self._formatter(values))
            return
        with np.printoptions(suppress=True):
            text = ", ".join(f"{tag} = {values[tag]}" for tag in self._order)
        log("%s" if seconds is None else f"%s ({seconds:.3f} sec)", text)


def _element(item: Any) -> Any:
    return default_graph().as_graph_element(item)


class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number any more."""

    def __str__(self) -> str:
        return "NaN loss during training."


class NanTensorHook(SessionRunHook):
    """Ends training, by an error unless told otherwise, when a loss is no number."""

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss, self._fail = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if not np.isnan(run_values.results):
            return
        if self._fail:
            raise error(NanLossDuringTrainingError, "NaN loss during training.")
        run_context.request_stop()


class GlobalStepWaiterHook(SessionRunHook):
    """Waits before each run until the count of steps has come so far."""

    def __init__(self, wait_until_step: int) -> None:
        self._least = wait_until_step

    def begin(self) -> None:
        self._done = False
        self._step = step_of_graph("_GlobalStepWaiterHook")

    def before_run(self, run_context: SessionRunContext) -> Any:
        while not self._done and self._least > 0:
            if int(run_context.session.run(self._step)) >= self._least:
                break
            time.sleep(0.5)
        self._done = True
        return None


class FinalOpsHook(SessionRunHook):
    """Runs operations at the end; `final_ops_values` are their values."""

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._operations, self._feeds = final_ops, final_ops_feed_dict
        self.final_ops_values: Any = None

    def end(self, session: Any) -> None:
        if self._operations is None:
            return
        try:
            self.final_ops_values = session.run(self._operations, self._feeds)
        except (errors.OutOfRangeError, StopIteration) as fault:
            log("An OutOfRangeError or StopIteration exception is raised by the code in "
                "FinalOpsHook: %s", fault)  # fmt: skip
            raise


class FeedFnHook(SessionRunHook):
    """Feeds each run what a function gives."""

    def __init__(self, feed_fn: Callable[[], dict[Any, Any]]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(None, self.feed_fn())
