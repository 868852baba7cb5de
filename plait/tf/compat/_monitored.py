"""Sessions of TensorFlow 1 that set themselves up, tell hooks of each run, and say when to stop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._dispatch import state
from plait.tf.compat._file_hooks import CheckpointSaverHook, StepCounterHook, SummarySaverHook
from plait.tf.compat._hooks import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)  # fmt: skip
from plait.tf.compat._scaffold import ChiefSessionCreator, Scaffold, SessionCreator
from plait.tf.compat._scopes import default_graph

#: An argument that was not given, where None says "do not".
_BY_DEFAULT = object()


class StepContext:
    """What `run_step_fn` gives its function: the session, and a run with hooks."""

    def __init__(self, session: Any, run_with_hooks: Callable[..., Any]) -> None:
        self.session, self.run_with_hooks = session, run_with_hooks

    def request_stop(self) -> None:
        """End the session, by an error that its `with` takes for the end."""
        raise StopIteration("step_fn has requested the iterations to stop.")


class MonitoredSession:
    """A session that begins by itself, tells hooks of each run, and closes at the end of a `with`.

    An OutOfRangeError inside of the `with` ends it; it is no error.
    """

    StepContext = StepContext

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Any = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        self._hooks: list[SessionRunHook] = list(hooks or [])
        self._was_final = default_graph().finalized
        if state.graph is None:
            raise error(
                RuntimeError,
                "a monitored session is not compatible with eager execution: build a graph "
                "(tf.Graph().as_default(), or tf.compat.v1.disable_eager_execution())",
            )
        for hook in self._hooks:
            hook.begin()
        creator = session_creator or ChiefSessionCreator()
        self._session: Any = creator.create_session()
        self._stop = False
        for hook in self._hooks:
            hook.after_create_session(self._session, None)

    @property
    def graph(self) -> Any:
        """The session's graph; None once it is closed."""
        return None if self._session is None else self._session.graph

    def should_stop(self) -> bool:
        """Whether a hook has asked to stop, or the session is closed."""
        return self._session is None or self._stop

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """As `Session.run`, with what hooks fetch and feed besides.

        Raises RuntimeError after the stop, and for tensors that a hook feeds and another feeds too.
        """
        if self.should_stop():
            raise error(RuntimeError, "Run called even after should_stop requested.")
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict, options), self._session)
        feeds, wanted = dict(feed_dict or {}), {}
        for hook in self._hooks:
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                wanted[hook] = request.fetches
            for tensor, value in (request.feed_dict or {}).items():
                if any(tensor is known for known in feeds):
                    raise error(
                        RuntimeError,
                        f"Same tensor is fed by two hooks, or by a hook and a run: {tensor}",
                    )
                feeds[tensor] = value
        asked = list(wanted)
        results = self._session.run([fetches, *(wanted[h] for h in asked)], feeds)
        found = dict(zip(asked, results[1:]))
        for hook in self._hooks:
            hook.after_run(context, SessionRunValues(found.get(hook), options, run_metadata))
        self._stop = self._stop or context.stop_requested
        return results[0]

    def run_step_fn(self, step_fn: Callable[[StepContext], Any]) -> Any:
        """Call a function with a context that runs with hooks, or without. Raises ValueError for
        a function without the argument `step_context`."""
        if "step_context" not in inspect.signature(step_fn).parameters:
            raise error(
                ValueError,
                "'step_fn' may either have one 'step_context' argument, or 'self' and "
                "'step_context' if it's an instance method. Got "
                f"{list(inspect.signature(step_fn).parameters)} instead.",
            )
        return step_fn(StepContext(self._session, self.run))

    def close(self) -> None:
        """Tell the hooks, and let the session go."""
        self._close(None)

    def _close(self, kind: Any) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if kind is None:
                for hook in self._hooks:
                    hook.end(session)
        finally:
            session.graph.finalized = self._was_final  # a later session may add to the graph again
            session.close()

    def __enter__(self) -> MonitoredSession:
        return self

    def __exit__(self, kind: Any, fault: Any, trace: Any) -> bool:
        if kind is not None and issubclass(kind, (errors.OutOfRangeError, StopIteration)):
            kind = None
        self._close(kind)
        return kind is None


class SingularMonitoredSession(MonitoredSession):
    """As `MonitoredSession`, with the session itself at hand (`raw_session`)."""

    def __init__(
        self,
        hooks: Any = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        creator = ChiefSessionCreator(
            scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path
        )
        super().__init__(creator, hooks)

    def raw_session(self) -> Any:
        """The session without hooks."""
        return self._session


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: Any = None,
    scaffold: Scaffold | None = None,
    hooks: Any = None,
    chief_only_hooks: Any = None,
    save_checkpoint_secs: Any = _BY_DEFAULT,
    save_summaries_steps: Any = _BY_DEFAULT,
    save_summaries_secs: Any = _BY_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = _BY_DEFAULT,
    summary_dir: Any = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """A monitored session for training. With `checkpoint_dir` it goes on from the latest checkpoint
    there, writes checkpoints (every 600 seconds by default), summaries (every 100 steps) and the
    number of steps a second (every 100)."""
    if save_summaries_steps is _BY_DEFAULT and save_summaries_secs is _BY_DEFAULT:
        save_summaries_steps = 100
    if save_checkpoint_secs is _BY_DEFAULT and save_checkpoint_steps is _BY_DEFAULT:
        save_checkpoint_secs = 600
    summaries = [_given(v) for v in (save_summaries_steps, save_summaries_secs)]
    checkpoints = [_given(v) for v in (save_checkpoint_steps, save_checkpoint_secs)]
    scaffold = scaffold or Scaffold()
    every = list(hooks or [])
    if is_chief:
        every += list(chief_only_hooks or [])
        folder = summary_dir or checkpoint_dir
        if folder:
            if log_step_count_steps:
                every.append(StepCounterHook(log_step_count_steps, output_dir=folder))
            if any(summaries):
                every.append(SummarySaverHook(*summaries, output_dir=folder, scaffold=scaffold))
        if checkpoint_dir and any(checkpoints):
            steps, seconds = checkpoints
            every.append(CheckpointSaverHook(checkpoint_dir, seconds, steps, scaffold=scaffold))
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(creator, every, stop_grace_period_secs)


def _given(value: Any) -> Any:
    return None if value is _BY_DEFAULT else value
