"""How monitored sessions of TensorFlow 1 begin: initializers, or the latest checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf._session import Session
from plait.tf.compat._saver import Saver
from plait.tf.compat._scopes import (
    GraphKeys,
    default_graph,
    global_variables,
    global_variables_initializer,
    group,
    local_variables_initializer,
    report_uninitialized_variables,
)  # fmt: skip
from plait.tf.compat._summaries import merge_all
from plait.tf.train import SUFFIX, get_checkpoint_state, latest_checkpoint


class Scaffold:
    """What a session needs to begin: initializers, what is summarised, the saver.

    What is not given is made by `finalize`, which a monitored session calls.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Scaffold, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        def given(name: str, value: Any) -> Any:
            return getattr(copy_from_scaffold, name, None) if value is None else value

        self.init_op = given("init_op", init_op)
        self.init_feed_dict = given("init_feed_dict", init_feed_dict)
        self._init_fn = given("_init_fn", init_fn)
        self.ready_op = given("ready_op", ready_op)
        self.ready_for_local_init_op = given("ready_for_local_init_op", ready_for_local_init_op)
        self.local_init_op = given("local_init_op", local_init_op)
        self.local_init_feed_dict = given("local_init_feed_dict", local_init_feed_dict)
        self.summary_op = given("summary_op", summary_op)
        self.saver = given("saver", saver)

    def init_fn(self, session: Any) -> None:
        """Call the function that was given for that."""
        if self._init_fn is not None:
            self._init_fn(self, session)

    def finalize(self) -> Scaffold:
        """Make what was not given; the graph is final from then on."""
        graph = default_graph()
        if self.init_op is None:
            self.init_op = _kept(graph, GraphKeys.INIT_OP, global_variables_initializer)
        if self.ready_op is None:
            self.ready_op = report_uninitialized_variables(global_variables())
        if self.local_init_op is None:
            self.local_init_op = group(local_variables_initializer())
        if self.summary_op is None:
            self.summary_op = merge_all()
        if self.saver is None and global_variables():
            self.saver = _kept(graph, GraphKeys.SAVERS, Saver)
        graph.finalize()
        return self


def _kept(graph: Any, key: str, make: Callable[[], Any]) -> Any:
    """What is in a collection; where it is empty, something new that is put there."""
    found = graph.get_collection(key)
    if not found:
        found = [make()]
        graph.add_to_collection(key, found[0])
    return found[0]


class SessionCreator:
    """Makes a session whose variables have values."""

    def create_session(self) -> Any:
        raise NotImplementedError("create_session is not implemented.")


class ChiefSessionCreator(SessionCreator):
    """Restores the latest checkpoint of a folder (or a file), or else runs the initializers."""

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        self._scaffold = scaffold or Scaffold()
        self._folder, self._file = checkpoint_dir, checkpoint_filename_with_path
        self._config = config

    def create_session(self) -> Session:
        """Raises RuntimeError where variables have no values after all that."""
        scaffold = self._scaffold.finalize()
        session = Session(config=self._config)
        path = self._file or (self._folder and latest_checkpoint(os.fspath(self._folder)))
        if path:
            scaffold.saver.restore(session, path)
            if self._folder:
                _go_on(scaffold.saver, os.fspath(self._folder))
        else:
            session.run(scaffold.init_op, scaffold.init_feed_dict)
            scaffold.init_fn(session)
        session.run(scaffold.local_init_op, scaffold.local_init_feed_dict)
        missing = [name.decode() for name in session.run(scaffold.ready_op)]
        if missing:
            raise error(
                RuntimeError,
                f"Init operations did not make model ready. Variables not initialized: "
                f"{', '.join(missing)}",
            )
        return session


def _go_on(saver: Any, folder: str) -> None:
    """Let a saver know the checkpoints that are there, so that it removes the oldest of them."""
    state = get_checkpoint_state(folder)
    there = [] if state is None else state.all_model_checkpoint_paths
    saver.recover_last_checkpoints([p for p in there if os.path.exists(p + SUFFIX)])


class WorkerSessionCreator(ChiefSessionCreator):
    """As the chief's: there is one process."""

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        max_wait_secs: float = 1800,
    ) -> None:
        super().__init__(scaffold, master, config)
