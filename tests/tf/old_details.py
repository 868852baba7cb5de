"""More programs of TensorFlow 1 for both: sessions, scopes, losses and optimizers by item."""

from __future__ import annotations

import collections
import os
import tempfile
from typing import Any

import numpy as np

from tests.tf.old_programs import LABELS, PROGRAMS, X, program, start, train

__all__ = ["PROGRAMS"]

Pair = collections.namedtuple("Pair", ["left", "right"])
IMAGES = np.linspace(-1, 1, 2 * 6 * 6 * 2).astype(np.float32).reshape(2, 6, 6, 2)


# -- sessions -------------------------------------------------------------------------------------


@program
def nested_fetches(tf: Any, sess: Any) -> Any:
    a, b = tf.constant([1.0, 2.0]), tf.constant(3)
    nothing = tf.no_op()
    made = sess.run({"pair": Pair(a, [b, (a, nothing)]), "again": a, "name": "Const:0"})
    return made["pair"].left, made["pair"].right, made["again"], made["name"], list(made)


@program
def fetches_of_nothing(tf: Any, sess: Any) -> Any:
    tf.constant(1)
    return sess.run([]), sess.run({}), sess.run(())


@program
def fetch_none(tf: Any, sess: Any) -> Any:
    return sess.run([tf.constant(1), None])


@program
def fetch_of_another_graph(tf: Any, sess: Any) -> Any:
    tf.constant(2)
    with tf.Graph().as_default():
        other = tf.constant(1)
    return sess.run(other)


@program
def feeds_of_kinds(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    i = tf.placeholder(tf.int32, [])
    s = tf.placeholder(tf.string, [None])
    y = (x * 2, i + 1, s)
    return (
        sess.run(y, {x: [[1, 2]], i: 3, s: ["a", "bc"]}),
        sess.run(y[0], {"x:0": np.ones([3, 2], np.float64)}),
        sess.run(y[1], {i: np.int64(7)}),
    )


@program
def feed_scalar_for_vector(tf: Any, sess: Any) -> Any:
    return sess.run(tf.placeholder(tf.float32, [3]) + 1, {"Placeholder:0": 1.0})


@program
def feed_of_another_rank(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None, None])
    return sess.run(x, {x: [1.0, 2.0]})


@program
def feed_a_tensor(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [2])
    return sess.run(x, {x: tf.constant([1.0, 2.0])})


@program
def feed_words_for_numbers(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [1])
    return sess.run(x, {x: ["word"]})


@program
def feed_a_too_large_integer(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.int32, [])
    return sess.run(x, {x: 2**40})


@program
def placeholders_with_defaults(tf: Any, sess: Any) -> Any:
    x = tf.placeholder_with_default(tf.constant([1.0, 2.0]), [None])
    return sess.run(x * 2), sess.run(x * 2, {x: [5.0]}), x.shape.as_list()


@program
def evaluation_by_methods(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable([1.0, 2.0])
    v.initializer.run()
    tf.assign(v, x).op.run({x: [3.0, 4.0]})
    return v.eval(), (x * 2).eval({x: [1, 2]}), tf.get_default_session() is sess


@program
def uninitialized_names(tf: Any, sess: Any) -> Any:
    a, _ = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    sess.run(a.initializer)
    return sess.run(tf.report_uninitialized_variables())


@program
def loaded_values(tf: Any, sess: Any) -> Any:
    v = tf.Variable([1.0, 2.0])
    start(tf, sess)
    v.load([5.0, 6.0], sess)
    return sess.run(v)


# -- scopes and collections -----------------------------------------------------------------------


@program
def scopes_in_scopes(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("net", initializer=tf.constant_initializer(0.5)) as outer:
        a = tf.get_variable("w", [2])
        with tf.variable_scope("inner") as inner:
            b = tf.get_variable("w", [1])
    with tf.variable_scope(outer, reuse=True):
        again = tf.get_variable("w", [2])
        nested = tf.get_variable_scope().reuse
    with tf.variable_scope(inner):
        inner_name = tf.get_variable_scope().name
    start(tf, sess)
    return a.name, b.name, [again is a, nested], inner_name, sess.run([a, b])


@program
def default_names_of_scopes(tf: Any, sess: Any) -> Any:
    names = []
    for _ in range(2):
        with tf.variable_scope(None, default_name="block"):
            names.append(tf.get_variable("w", [1]).name)
    with tf.name_scope("ops"):
        names += [tf.get_variable("free", [1]).name, tf.Variable(1.0, name="v").name]
        names.append(tf.constant(1.0, name="c").name)
    return names


@program
def reuse_variables(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("a") as scope:
        first = tf.get_variable("w", [1])
        scope.reuse_variables()
        return [tf.get_variable("w", [1]) is first]


@program
def other_dtype_reused(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        tf.get_variable("w", [2])
        return tf.get_variable("w", [2], tf.int32)


@program
def collections_by_scope(tf: Any, sess: Any) -> Any:
    with tf.variable_scope("gen"):
        tf.get_variable("w", [1])
        tf.get_variable("k", [1], trainable=False)
    with tf.variable_scope("dis"):
        tf.get_variable("w", [1], collections=["mine", tf.GraphKeys.GLOBAL_VARIABLES])
    keys = tf.GraphKeys
    return (
        [v.name for v in tf.trainable_variables(scope="gen")],
        [v.name for v in tf.get_collection(keys.TRAINABLE_VARIABLES, scope="gen")],
        [v.name for v in tf.get_collection(keys.GLOBAL_VARIABLES)],
        [v.name for v in tf.get_collection("mine")],
        [v.name for v in tf.global_variables("dis")],
    )


@program
def control_of_several(tf: Any, sess: Any) -> Any:
    v = tf.Variable(1.0)
    one = tf.assign_add(v, 1.0)
    with tf.control_dependencies([one]):
        two = tf.assign(v, v * 10.0)
    both = tf.group(two, tf.no_op())
    start(tf, sess)
    sess.run(both)
    first = sess.run(v)
    with tf.control_dependencies([two]):
        with tf.control_dependencies(None):
            free = tf.constant(5.0)
        bound = tf.identity(v)
    return first, sess.run(free), sess.run(v), sess.run(bound), tf.tuple([free])[0].eval()


@program
def names_of_operations(tf: Any, sess: Any) -> Any:
    with tf.name_scope("s") as scope:
        a = tf.add(1.0, 2.0, name="sum")
        b = tf.identity(a, name=scope)
    graph = tf.get_default_graph()
    return (
        a.name, b.name, a.op.name, sess.run("s/sum:0"), graph.get_operation_by_name("s/sum").name,
        [t.name for t in a.op.outputs], a.graph is graph,
    )  # fmt: skip


@program
def definition_of_an_operation(tf: Any, sess: Any) -> Any:
    with tf.control_dependencies([tf.no_op(name="first")]):
        a = tf.placeholder(tf.float32, [2], name="a")
    b = tf.identity(a, name="b")
    made = [n for n in tf.get_default_graph().as_graph_def().node if n.name in ("a", "b")]
    node = b.op.node_def
    own = tf.NodeDef(name="c", op="Identity", input=["b"])
    own.input.append("^first")
    copy = tf.NodeDef()
    copy.CopyFrom(own)
    return (
        [[n.name, n.op, list(n.input)] for n in made],
        [node.name, node.op, list(node.input)],
        [copy.name, copy.op, list(copy.input), copy.device, copy == own],
    )


@program
def finalized(tf: Any, sess: Any) -> Any:
    tf.get_default_graph().finalize()
    return tf.constant(1.0)


# -- optimizers -----------------------------------------------------------------------------------


@program
def ftrl(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.FtrlOptimizer(0.5, l1_regularization_strength=0.01,
                                                  l2_regularization_strength=0.02))  # fmt: skip


@program
def proximal_descent(tf: Any, sess: Any) -> Any:
    made = tf.train.ProximalGradientDescentOptimizer(0.1, l1_regularization_strength=0.05)
    return train(tf, sess, made)


@program
def proximal_adagrad(tf: Any, sess: Any) -> Any:
    return train(tf, sess, tf.train.ProximalAdagradOptimizer(0.3, l2_regularization_strength=0.1))


@program
def slots(tf: Any, sess: Any) -> Any:
    v = tf.Variable([1.0, 2.0], name="v")
    opt = tf.train.AdamOptimizer(0.1)
    op = opt.minimize(tf.reduce_sum(v * v))
    start(tf, sess)
    sess.run(op)
    names = opt.get_slot_names()
    return names, sess.run([opt.get_slot(v, n) for n in names]), len(opt.variables())


@program
def some_variables(tf: Any, sess: Any) -> Any:
    a, b = tf.Variable(1.0), tf.Variable(1.0)
    op = tf.train.GradientDescentOptimizer(0.1).minimize(a * b, var_list=[b])
    start(tf, sess)
    sess.run(op)
    return sess.run([a, b])


@program
def moving_averages(tf: Any, sess: Any) -> Any:
    v = tf.Variable(1.0, name="v")
    ema = tf.train.ExponentialMovingAverage(0.9)
    keep = ema.apply([v])
    start(tf, sess)
    sess.run(v.assign(3.0))
    sess.run(keep)
    return sess.run([v, ema.average(v)]), ema.average_name(v)


@program
def more_learning_rates(tf: Any, sess: Any) -> Any:
    step = tf.placeholder(tf.int64, [])
    rates = [
        tf.train.inverse_time_decay(0.1, step, 4, 0.5),
        tf.train.inverse_time_decay(0.1, step, 4, 0.5, staircase=True),
        tf.train.natural_exp_decay(0.1, step, 4, 0.5),
        tf.train.cosine_decay(0.1, step, 10, alpha=0.1),
        tf.train.polynomial_decay(0.1, step, 4, 0.01, power=2.0, cycle=True),
        tf.train.cosine_decay_restarts(0.1, step, 3),
        tf.train.linear_cosine_decay(0.1, step, 10),
    ]
    return [sess.run(rates, {step: k}) for k in (0, 1, 3, 5, 9, 14)]


@program
def global_steps(tf: Any, sess: Any) -> Any:
    step = tf.train.create_global_step()
    same = tf.train.get_or_create_global_step() is step
    start(tf, sess)
    add = tf.assign_add(step, 4)
    sess.run(add)
    return [same], step.name, step.dtype.base_dtype.name, tf.train.global_step(sess, step)


@program
def global_step_twice(tf: Any, sess: Any) -> Any:
    tf.train.create_global_step()
    return tf.train.create_global_step()


# -- losses, metrics, networks --------------------------------------------------------------------


@program
def more_losses(tf: Any, sess: Any) -> Any:
    a, b = tf.constant(X), tf.constant(X[::-1] * 0.5)
    kinds = tf.losses.Reduction
    weights = tf.constant([[1.0, 0.0, 2.0]] * 8)
    made = [
        tf.losses.cosine_distance(tf.nn.l2_normalize(a, 1), tf.nn.l2_normalize(b, 1), axis=1),
        tf.losses.mean_pairwise_squared_error(a, b),
        tf.losses.mean_squared_error(a, b, weights, reduction=kinds.SUM_BY_NONZERO_WEIGHTS),
        tf.losses.mean_squared_error(a, b, weights, reduction=kinds.MEAN),
        tf.losses.mean_squared_error(a, b, weights, reduction=kinds.SUM),
        tf.losses.mean_squared_error(a, b, reduction=kinds.SUM_OVER_BATCH_SIZE),
        tf.losses.compute_weighted_loss(a, weights),
        tf.losses.huber_loss(a, b, delta=0.3),
        tf.losses.sparse_softmax_cross_entropy(tf.constant(LABELS), a, weights=2.0),
    ]
    each = tf.losses.mean_squared_error(a, b, weights, reduction=kinds.NONE)
    tf.losses.add_loss(tf.constant(2.0))
    return sess.run(made), sess.run(each), len(tf.losses.get_losses())


@program
def losses_of_other_shapes(tf: Any, sess: Any) -> Any:
    return tf.losses.mean_squared_error(tf.zeros([2, 3]), tf.zeros([3, 2]))


@program
def more_metrics(tf: Any, sess: Any) -> Any:
    labels = tf.placeholder(tf.int64, [None])
    given = tf.placeholder(tf.int64, [None])
    pairs = [
        tf.metrics.precision(labels, given),
        tf.metrics.recall(labels, given),
        tf.metrics.mean(tf.cast(given, tf.float32)),
        tf.metrics.root_mean_squared_error(tf.cast(labels, tf.float32), tf.cast(given, tf.float32)),
        tf.metrics.mean_absolute_error(tf.cast(labels, tf.float32), tf.cast(given, tf.float32)),
        tf.metrics.true_positives(labels, given),
        tf.metrics.false_positives(labels, given),
    ]
    sess.run(tf.local_variables_initializer())
    for a, b in (([1, 0, 1], [1, 1, 1]), ([0, 0, 1], [0, 1, 0])):
        sess.run([update for _, update in pairs], {labels: a, given: b})
    return sess.run([value for value, _ in pairs])


@program
def functions_of_networks(tf: Any, sess: Any) -> Any:
    x, image = tf.constant(X), tf.constant(IMAGES)
    table = tf.constant(X)
    made = [
        tf.nn.xw_plus_b(x, tf.ones([3, 2]), tf.constant([1.0, 2.0])),
        tf.nn.relu_layer(x, tf.ones([3, 2]), tf.constant([1.0, 2.0])),
        tf.nn.embedding_lookup(table, [[1, 2], [0, 1]]),
        tf.nn.conv2d(image, tf.ones([3, 3, 2, 2]), strides=[1, 1, 1, 1], padding="SAME"),
        tf.nn.avg_pool(image, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"),
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.constant(LABELS), logits=x),
        tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.nn.sigmoid(x), logits=x),
        tf.nn.weighted_cross_entropy_with_logits(
            targets=tf.nn.sigmoid(x), logits=x, pos_weight=2.0),
        tf.nn.moments(x, axes=[0])[1],
        tf.nn.l2_normalize(x, 1),
        tf.nn.in_top_k(x, tf.constant(LABELS), 2),
        tf.nn.lrn(image, 2, bias=1.0, alpha=0.5, beta=0.5),
        tf.nn.batch_normalization(x, tf.zeros([3]), tf.ones([3]), None, None, 1e-3),
        tf.nn.log_softmax(x), tf.nn.softmax(x, axis=0), tf.nn.elu(x), tf.nn.crelu(x),
        tf.nn.bias_add(x, [1.0, 2.0, 3.0]),
    ]  # fmt: skip
    return sess.run(made)


# -- savers and summaries -------------------------------------------------------------------------


@program
def savers_keep_some(tf: Any, sess: Any) -> Any:
    v = tf.Variable(0, name="v")
    keep = tf.train.Saver(max_to_keep=2)
    start(tf, sess)
    with tempfile.TemporaryDirectory() as folder:
        for k in range(4):
            sess.run(v.assign(k))
            keep.save(sess, os.path.join(folder, "model.ckpt"), global_step=k)
        state = tf.train.get_checkpoint_state(folder)
        names = [os.path.basename(p) for p in state.all_model_checkpoint_paths]
        found = [tf.train.checkpoint_exists(os.path.join(folder, f"model.ckpt-{k}"))
                 for k in range(4)]  # fmt: skip
        keep.restore(sess, os.path.join(folder, "model.ckpt-2"))
        return names, os.path.basename(state.model_checkpoint_path), found, sess.run(v)


@program
def savers_of_some_names(tf: Any, sess: Any) -> Any:
    a, b = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    start(tf, sess)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Saver({"other": a}).save(sess, os.path.join(folder, "m"))
        held = tf.train.list_variables(path)
        tf.train.Saver({"other": b}).restore(sess, path)
        return held, sess.run([a, b])


@program
def saver_of_missing_names(tf: Any, sess: Any) -> Any:
    a = tf.Variable(1.0, name="a")
    start(tf, sess)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Saver([a]).save(sess, os.path.join(folder, "m"))
        tf.train.Saver([tf.Variable(1.0, name="c")]).restore(sess, path)


@program
def a_graph_from_its_file(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None], name="x")
    w = tf.get_variable("w", initializer=tf.constant(3.0))
    tf.multiply(x, w, name="y")
    start(tf, sess)
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Saver().save(sess, os.path.join(folder, "m"))
        keep = tf.train.Saver()
        sess.run(w.assign(0.0))
        keep.restore(sess, path)
        return sess.run("y:0", {"x:0": [1.0, 2.0]})


@program
def functions_of_templates(tf: Any, sess: Any) -> Any:
    def layer(x: Any) -> Any:
        return x * tf.get_variable("w", [1], initializer=tf.constant_initializer(2.0))

    shared = tf.make_template("layer", layer)
    one, two = shared(tf.constant([1.0])), shared(tf.constant([5.0]))
    start(tf, sess)
    return sess.run([one, two]), [v.name for v in tf.global_variables()]


@program
def cases(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.int32, [])
    y = tf.case([(x < 0, lambda: tf.constant(-1)), (x > 5, lambda: tf.constant(9))],
                default=lambda: x * 2)  # fmt: skip
    z = tf.switch_case(x, [lambda: tf.constant(10), lambda: tf.constant(20)],
                       default=lambda: tf.constant(0))  # fmt: skip
    return [sess.run([y, z], {x: k}) for k in (-2, 0, 1, 7)]


@program
def loops_with_arrays(tf: Any, sess: Any) -> Any:
    x = tf.placeholder(tf.float32, [None])
    n = tf.shape(x)[0]

    def body(i: Any, held: Any, total: Any) -> Any:
        total = total + x[i]
        return i + 1, held.write(i, total), total

    _, held, _ = tf.while_loop(
        lambda i, *_: i < n, body, (0, tf.TensorArray(tf.float32, n), tf.constant(0.0))
    )
    sums = held.stack()
    mapped = tf.map_fn(lambda v: v * v, x)
    folded = tf.foldl(lambda a, v: a + v, x, initializer=tf.constant(1.0))
    scanned = tf.scan(lambda a, v: a * v, x)
    return [sess.run([sums, mapped, folded, scanned], {x: d}) for d in ([1, 2, 3.0], [4.0, 0.5])]


@program
def gradients_given(tf: Any, sess: Any) -> Any:
    x = tf.constant([1.0, 2.0])
    y = x * x
    z = tf.stop_gradient(y) * x
    return sess.run([
        tf.gradients(y, x, grad_ys=[tf.constant([10.0, 1.0])])[0], tf.gradients(z, x)[0],
        tf.gradients([y, z], [x])[0], tf.hessians(tf.reduce_sum(x * x * x), x)[0],
    ])  # fmt: skip


@program
def iterators_of_data_sets(tf: Any, sess: Any) -> Any:
    data = tf.data.Dataset.range(5).batch(2)
    once = tf.data.make_one_shot_iterator(data).get_next()
    seen = []
    while True:
        try:
            seen.append(sess.run(once))
        except tf.errors.OutOfRangeError:
            break
    bound = tf.placeholder(tf.int64, [])
    again = tf.data.make_initializable_iterator(tf.data.Dataset.range(bound))
    item = again.get_next()
    for count in (1, 2):
        sess.run(again.initializer, {bound: count})
        seen.append([sess.run(item) for _ in range(count)])
    return seen
