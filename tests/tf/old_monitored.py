"""Programs of TensorFlow 1 for both: monitored sessions and their hooks."""

from __future__ import annotations

import glob
import logging
import os
import tempfile
from collections.abc import Callable
from typing import Any

from tests.tf.old_programs import PROGRAMS


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Enter a program, which runs in a graph of its own."""

    def run(tf: Any) -> Any:
        with tf.Graph().as_default():
            return function(tf)

    PROGRAMS[f"monitored {function.__name__}"] = run
    return function


def counted(tf: Any) -> tuple[Any, Any, Any]:
    """(the global step, a variable that is halved, the operation that makes a step)."""
    step = tf.train.get_or_create_global_step()
    w = tf.get_variable("w", initializer=tf.constant(8.0))
    loss = tf.square(w)
    op = tf.train.GradientDescentOptimizer(0.25).minimize(loss, global_step=step)
    return step, w, op


def logged(function: Callable[[], Any]) -> list[str]:
    """What is said to `tf.logging` while a function runs."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    log, keep = logging.getLogger("tensorflow"), Keep()
    before, passed_on = log.level, log.propagate
    log.addHandler(keep)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        function()
    finally:
        log.removeHandler(keep)
        log.setLevel(before)
        log.propagate = passed_on
    return found


@program
def stops_at_a_step(tf: Any) -> Any:
    _step, _w, op = counted(tf)
    found = []
    with tf.train.MonitoredTrainingSession(hooks=[tf.train.StopAtStepHook(last_step=3)]) as sess:
        while not sess.should_stop():
            sess.run(op)
            found.append(len(found))
    return found


@program
def stops_after_more_steps(tf: Any) -> Any:
    _step, _w, op = counted(tf)
    hooks = [tf.train.StopAtStepHook(num_steps=2)]
    with tf.train.MonitoredSession(hooks=hooks) as sess:
        runs = 0
        while not sess.should_stop():
            sess.run(op)
            runs += 1
        over = sess.should_stop()
    return runs, over


@program
def a_run_after_the_stop(tf: Any) -> Any:
    _step, _w, op = counted(tf)
    with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(last_step=1)]) as sess:
        sess.run(op)
        sess.run(op)


@program
def a_stop_by_both(tf: Any) -> Any:
    return tf.train.StopAtStepHook(num_steps=1, last_step=2)


@program
def a_stop_without_a_step(tf: Any) -> Any:
    tf.get_variable("w", [1])
    with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(last_step=1)]):
        pass


@program
def the_graph_is_final(tf: Any) -> Any:
    _step, _w, _op = counted(tf)
    with tf.train.MonitoredSession():
        tf.constant(1.0)


@program
def own_hooks(tf: Any) -> Any:
    _step, w, _op = counted(tf)
    x = tf.placeholder(tf.float32, [])
    said: list[Any] = []

    class Note(tf.train.SessionRunHook):
        def begin(self) -> None:
            said.append("begin")
            self.extra = tf.constant(7.0)

        def after_create_session(self, session: Any, coord: Any) -> None:
            said.append(["created", float(session.run(w))])

        def before_run(self, run_context: Any) -> Any:
            said.append(["before", run_context.original_args.fetches is y])
            return tf.train.SessionRunArgs({"w": w, "extra": self.extra}, feed_dict={x: 5.0})

        def after_run(self, run_context: Any, run_values: Any) -> None:
            said.append(["after", sorted(run_values.results), float(run_values.results["extra"])])
            if len(said) > 6:
                run_context.request_stop()

        def end(self, session: Any) -> None:
            said.append(["end", float(session.run(w))])

    y = x + 1.0
    with tf.train.MonitoredSession(hooks=[Note()]) as sess:
        values = []
        while not sess.should_stop():
            values.append(float(sess.run(y)))
    return said, values


@program
def a_tensor_fed_twice(tf: Any) -> Any:
    counted(tf)
    x = tf.placeholder(tf.float32, [], name="x")

    hook = tf.train.FeedFnHook(lambda: {x: 1.0})
    with tf.train.MonitoredSession(hooks=[hook]) as sess:
        return sess.run(x * 2.0, {x: 3.0})


@program
def feeds_and_final_operations(tf: Any) -> Any:
    _step, w, op = counted(tf)
    x = tf.placeholder(tf.float32, [], name="x")
    y = x * 2.0
    last = tf.train.FinalOpsHook([w, y], {x: 4.0})
    with tf.train.MonitoredSession(hooks=[tf.train.FeedFnHook(lambda: {x: 3.0}), last]) as sess:
        seen = sess.run(y)
        sess.run(op)
    return seen, last.final_ops_values


@program
def nan_ends_training(tf: Any) -> Any:
    counted(tf)
    x = tf.placeholder(tf.float32, [])
    loss = x * 1.0
    with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(loss, False)]) as sess:
        sess.run(loss, {x: 1.0})
        first = sess.should_stop()
        sess.run(loss, {x: float("nan")})
        return first, sess.should_stop()


@program
def nan_is_an_error(tf: Any) -> Any:
    counted(tf)
    loss = tf.constant(float("nan")) * 1.0
    with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(loss)]) as sess:
        sess.run(loss)


@program
def values_are_logged(tf: Any) -> Any:
    step, _w, op = counted(tf)
    tf.identity(step, name="a")
    b = tf.constant([1.5, 2.0], name="b")
    hooks = [
        tf.train.LoggingTensorHook({"count": "a", "b": b}, every_n_iter=2,
                                   formatter=lambda v: f"{sorted(v)} {v['b'][1]}"),
        tf.train.LoggingTensorHook(["b:0"], every_n_iter=10, at_end=True),
        tf.train.StopAtStepHook(last_step=5),
    ]  # fmt: skip

    def run() -> None:
        with tf.train.MonitoredSession(hooks=hooks) as sess:
            while not sess.should_stop():
                sess.run(op)

    said = logged(run)
    return [line.split(" (")[0] for line in said if line.startswith(("[", "b:0"))]


@program
def logging_by_nothing(tf: Any) -> Any:
    return tf.train.LoggingTensorHook([])


@program
def the_end_of_data_ends_training(tf: Any) -> Any:
    _step, _w, _op = counted(tf)
    item = tf.data.make_one_shot_iterator(tf.data.Dataset.range(3)).get_next()
    seen = []
    with tf.train.MonitoredTrainingSession() as sess:
        while not sess.should_stop():
            seen.append(int(sess.run(item)))
    return seen


@program
def other_errors_are_raised(tf: Any) -> Any:
    _step, _w, _op = counted(tf)
    with tf.train.MonitoredSession():
        raise KeyError("mine")


@program
def goes_on_from_a_checkpoint(tf: Any) -> Any:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for last in (3, 5):
            with tf.Graph().as_default():
                step, w, op = counted(tf)
                hooks = [tf.train.StopAtStepHook(last_step=last)]
                with tf.train.MonitoredTrainingSession(
                    checkpoint_dir=folder, hooks=hooks, save_checkpoint_steps=1,
                    save_checkpoint_secs=None,
                ) as sess:  # fmt: skip
                    before = int(sess.run(step)), float(sess.run(w))
                    while not sess.should_stop():
                        sess.run(op)
                found.append(before)
        state = tf.train.get_checkpoint_state(folder)
        names = [os.path.basename(p) for p in state.all_model_checkpoint_paths]
        return found, names[-1], len(names), len(glob.glob(os.path.join(folder, "events*"))) > 0


@program
def listeners_of_checkpoints(tf: Any) -> Any:
    _step, _w, op = counted(tf)
    said: list[Any] = []

    class Listen(tf.train.CheckpointSaverListener):
        def begin(self) -> None:
            said.append("begin")

        def before_save(self, session: Any, global_step_value: Any) -> None:
            said.append(["before", int(global_step_value)])

        def after_save(self, session: Any, global_step_value: Any) -> Any:
            said.append(["after", int(global_step_value)])
            return global_step_value >= 4

        def end(self, session: Any, global_step_value: Any) -> None:
            said.append(["end", int(global_step_value)])

    with tempfile.TemporaryDirectory() as folder:
        hook = tf.train.CheckpointSaverHook(folder, save_steps=2, listeners=[Listen()])
        with tf.train.SingularMonitoredSession(hooks=[hook]) as sess:
            while not sess.should_stop():
                sess.run(op)
        latest = os.path.basename(tf.train.latest_checkpoint(folder))
    return said, latest


@program
def summaries_of_steps(tf: Any) -> Any:
    _step, w, op = counted(tf)
    tf.summary.scalar("w", w)
    said: list[Any] = []

    class Writer:
        def add_summary(self, text: bytes, step: Any) -> None:
            said.append([int(step), b"w" in text])

        def add_session_log(self, *args: Any) -> None:
            """Of no interest."""

        def flush(self) -> None:
            said.append("flush")

    hook = tf.train.SummarySaverHook(
        save_steps=2, summary_writer=Writer(), summary_op=tf.summary.merge_all()
    )
    with tf.train.MonitoredSession(hooks=[hook, tf.train.StopAtStepHook(last_step=6)]) as sess:
        while not sess.should_stop():
            sess.run(op)
    return said


@program
def scaffolds(tf: Any) -> Any:
    _step, w, _op = counted(tf)
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(0.0, name="v")
    start = tf.group(tf.global_variables_initializer(), tf.assign(v, x))
    said: list[Any] = []
    scaffold = tf.train.Scaffold(
        init_op=start, init_feed_dict={x: 3.0},
        init_fn=lambda scaffold, sess: said.append(scaffold.init_op is start),
    )  # fmt: skip
    creator = tf.train.ChiefSessionCreator(scaffold)
    with tf.train.MonitoredSession(session_creator=creator) as sess:
        value = sess.run(w)
    return value, said, tf.get_default_graph().finalized


@program
def steps_as_functions(tf: Any) -> Any:
    step, _w, op = counted(tf)

    def one(step_context: Any) -> Any:
        value = step_context.run_with_hooks(op)
        count = step_context.session.run(step)
        if count >= 2:
            step_context.request_stop()
        return [int(count), value is None]

    with tf.train.MonitoredSession() as sess:
        found = []
        while not sess.should_stop():
            found.append(sess.run_step_fn(one))
    return found


@program
def timers(tf: Any) -> Any:
    timer = tf.train.SecondOrStepTimer(every_steps=3)
    found = []
    for step in range(8):
        if timer.should_trigger_for_step(step):
            found.append([step, timer.update_last_triggered_step(step)[1]])
    return found, timer.should_trigger_for_step(6)


@program
def timers_of_both(tf: Any) -> Any:
    return tf.train.SecondOrStepTimer(every_secs=1.0, every_steps=2)


@program
def coordinators(tf: Any) -> Any:
    import threading

    coord = tf.train.Coordinator()
    seen = []

    def work() -> None:
        with coord.stop_on_exception():
            while not coord.should_stop():
                seen.append(1)
                if len(seen) == 3:
                    coord.request_stop()

    threads = [threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    coord.join(threads)
    return len(seen), coord.should_stop(), len(tf.train.start_queue_runners(tf.Session(), coord))


@program
def coordinators_pass_errors_on(tf: Any) -> Any:
    coord = tf.train.Coordinator()
    with coord.stop_on_exception():
        raise KeyError("mine")
    coord.join([])
