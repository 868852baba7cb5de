"""Data sets, strings and files by item: programs for both TensorFlows."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from tests.tf.programs.datasets import rows
from tests.tf.programs.registry import program


@program
def pipe_map_of_kinds(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices({"a": [[1, 2], [3, 4]], "b": [1.0, 2.0]})
    return (
        rows(d.map(lambda e: e["a"][0] + tf.cast(e["b"], tf.int32))),
        rows(d.map(lambda e: {"sum": tf.reduce_sum(e["a"]), **e})),
        rows(d.map(lambda e: (e["a"], e["b"]), num_parallel_calls=2, deterministic=True)),
        rows(tf.data.Dataset.range(3).map(lambda x: [x, x + 1])),
    )


@program
def pipe_map_with_a_fault(tf: Any) -> Any:
    def inverse(x: Any) -> Any:
        return tf.debugging.check_numerics(1.0 / tf.cast(x - 2, tf.float32), "bad")

    d = tf.data.Dataset.range(4).map(inverse)
    it = iter(d)
    return next(it), next(it), next(it)


@program
def pipe_long_maps(tf: Any) -> Any:
    d = tf.data.Dataset.range(1200).map(lambda x: (x % 7, tf.one_hot(x % 3, 3) * 2.0))
    total = d.reduce(
        (np.int64(0), np.zeros(3, np.float32)), lambda s, e: (s[0] + e[0], s[1] + e[1])
    )
    return total, rows(d.skip(1190).take(2))


@program
def pipe_parallel_maps_in_order(tf: Any) -> Any:
    x = np.arange(1300, dtype=np.float32).reshape(650, 2)
    d = tf.data.Dataset.from_tensor_slices((x, np.arange(650)))
    d = d.map(lambda a, n: (a / 2 + 1, n * n, tf.reshape(a, [2, 1])), num_parallel_calls=4)
    made = rows(d)
    return len(made), made[:2], made[-2:], d.reduce(0.0, lambda s, e: s + e[0][1] + e[2][0, 0])


@program
def pipe_filter_by_text(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices(["one", "two", "three"])
    return rows(d.filter(lambda s: tf.strings.length(s) > 3)), rows(d.map(tf.strings.upper))


@program
def pipe_interleave_of_kinds(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices([[1, 2], [3, 4], [5, 6]])

    def inner(row: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(row).repeat(2)

    return (
        rows(d.interleave(inner, cycle_length=2, block_length=1)),
        rows(d.interleave(inner, cycle_length=3, block_length=3, num_parallel_calls=2)),
        rows(d.interleave(inner, cycle_length=2, block_length=2).batch(5)),
        rows(d.flat_map(inner)),
    )


@program
def pipe_padded_batches(tf: Any) -> Any:
    def make() -> Any:
        for n in (1, 3, 2):
            yield {"ids": list(range(n)), "name": "ab"[:n]}

    spec = {"ids": tf.TensorSpec([None], tf.int32), "name": tf.TensorSpec([], tf.string)}
    d = tf.data.Dataset.from_generator(make, output_signature=spec)
    words = tf.data.Dataset.from_tensors(["a"]).concatenate(
        tf.data.Dataset.from_tensors(["b", "c"])
    )
    shapes = {"ids": [4], "name": []}
    return (
        rows(d.padded_batch(2)), rows(d.padded_batch(3, padded_shapes=shapes)),
        rows(d.padded_batch(2, padding_values={"ids": -1, "name": "?"}, drop_remainder=True)),
        rows(words.padded_batch(2, padding_values="?")),
        [s.shape.as_list() for s in (d.padded_batch(2).element_spec["ids"],)],
    )  # fmt: skip


@program
def pipe_padded_too_short(tf: Any) -> Any:
    d = tf.data.Dataset.range(1, 4).map(lambda x: tf.fill([x], x))
    return rows(d.padded_batch(3, padded_shapes=[2]))


@program
def pipe_unbatch_of_structures(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensors(({"a": [1, 2], "b": ["x", "y"]}, [[1.0], [2.0]]))
    return rows(d.unbatch()), rows(d.unbatch().batch(3)), rows(d.rebatch(1))


@program
def pipe_windows_of_structures(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices((np.arange(5), np.arange(5) * 10))
    made = d.window(3, shift=2, drop_remainder=True)
    series = (
        tf.data.Dataset.range(8).window(4, 1, drop_remainder=True).flat_map(lambda w: w.batch(4))
    )
    return (
        rows(made.flat_map(lambda a, b: tf.data.Dataset.zip((a.batch(3), b.batch(3))))),
        rows(series.map(lambda w: (w[:-1], w[-1])).batch(2)),
    )


@program
def pipe_reductions(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices(([1.0, 2.0, 3.0], [1, 2, 3]))
    return (
        d.reduce((0.0, 1), lambda s, e: (s[0] + e[0], s[1] * e[1])),
        tf.data.Dataset.range(4).reduce({"n": np.int64(0)}, lambda s, x: {"n": s["n"] + x}),
        tf.data.Dataset.range(0).reduce(np.int64(7), lambda s, x: s + x),
    )


@program
def pipe_reduction_to_another_kind(tf: Any) -> Any:
    return tf.data.Dataset.range(3).reduce(0.0, lambda s, x: x)


@program
def pipe_choices(tf: Any) -> Any:
    sets = [tf.data.Dataset.from_tensors(k).repeat(3) for k in (0, 10, 20)]
    choice = tf.data.Dataset.from_tensor_slices(np.array([0, 2, 1, 0, 2], np.int64))
    chosen = tf.data.Dataset.choose_from_datasets(sets, choice)
    drawn = tf.data.Dataset.sample_from_datasets(sets, [0.0, 1.0, 0.0], seed=1)
    return rows(chosen), rows(drawn)[:3]


@program
def pipe_buckets(tf: Any) -> Any:
    def make() -> Any:
        for n in (1, 5, 2, 6, 3, 1):
            yield np.arange(n)

    d = tf.data.Dataset.from_generator(make, output_signature=tf.TensorSpec([None], tf.int64))
    made = d.bucket_by_sequence_length(lambda x: tf.shape(x)[0], [3, 5], [2, 2, 2])
    return rows(made)


@program
def pipe_sizes(tf: Any) -> Any:
    d = tf.data.Dataset.range(10)
    sets = [d.batch(3), d.repeat(2).take(15), d.skip(12), d.shard(3, 2), d.repeat(), d,
            d.interleave(lambda x: tf.data.Dataset.range(2)), d.take(-1), d.cache(), d.enumerate(),
            tf.data.Dataset.zip((d, d.take(3))), d.concatenate(d)]  # fmt: skip
    return [int(s.cardinality()) for s in sets]


@program
def pipe_asserted_size(tf: Any) -> Any:
    d = tf.data.Dataset.range(3).filter(lambda x: True)
    d = d.apply(tf.data.experimental.assert_cardinality(3))
    return len(d), rows(d)


@program
def pipe_asserted_size_is_wrong(tf: Any) -> Any:
    d = tf.data.Dataset.range(3).apply(tf.data.experimental.assert_cardinality(4))
    return rows(d)


@program
def pipe_unique_and_errors(tf: Any) -> Any:
    d = tf.data.Dataset.from_tensor_slices([1, 2, 1, 3, 2])
    bad = tf.data.Dataset.from_tensor_slices([1.0, 0.0, 2.0]).map(
        lambda x: tf.debugging.check_numerics(1.0 / x, "bad")
    )
    return rows(d.unique()), rows(bad.ignore_errors())


@program
def pipe_generator_of_another_shape(tf: Any) -> Any:
    d = tf.data.Dataset.from_generator(
        lambda: iter([[1, 2]]), output_signature=tf.TensorSpec([3], tf.int32)
    )
    return rows(d)


@program
def pipe_generator_of_another_kind(tf: Any) -> Any:
    d = tf.data.Dataset.from_generator(
        lambda: iter(["word"]), output_signature=tf.TensorSpec([], tf.int32)
    )
    return rows(d)


@program
def pipe_loops_in_functions(tf: Any) -> Any:
    d = tf.data.Dataset.range(5)

    @tf.function
    def total(d: Any) -> Any:
        s = tf.constant(0, tf.int64)
        for x in d:
            if x > 1:
                s += x
        return s

    return total(d)


@program
def pipe_text_files(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("a.txt", "b.txt")]
        for path, text in zip(paths, ("one\ntwo\n\nlast", "x\r\ny\n")):
            with open(path, "w", newline="") as file:
                file.write(text)
        d = tf.data.TextLineDataset(paths)
        names = tf.data.Dataset.list_files(os.path.join(folder, "*.txt"), shuffle=False)
        lines = names.interleave(tf.data.TextLineDataset, cycle_length=2)
        return rows(d), rows(lines), rows(d.skip(1).filter(lambda s: tf.strings.length(s) > 0))


@program
def pipe_no_text_file(tf: Any) -> Any:
    return rows(tf.data.TextLineDataset("/nowhere/file.txt"))


@program
def pipe_records(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for k in range(3):
                feature = {
                    "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[k, k + 1])),
                    "x": tf.train.Feature(float_list=tf.train.FloatList(value=[k / 2] * k)),
                    "s": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"w%d" % k])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
        spec = {
            "n": tf.io.FixedLenFeature([2], tf.int64), "s": tf.io.FixedLenFeature([], tf.string),
            "missing": tf.io.FixedLenFeature([], tf.float32, default_value=-1.0),
        }  # fmt: skip
        d = tf.data.TFRecordDataset([path])
        one = d.map(lambda text: tf.io.parse_single_example(text, spec))
        many = d.batch(2).map(lambda text: tf.io.parse_example(text, spec))
        sparse = d.map(
            lambda t: tf.sparse.to_dense(
                tf.io.parse_single_example(t, {"x": tf.io.VarLenFeature(tf.float32)})["x"]
            )
        )
        return rows(one), rows(many), rows(sparse.padded_batch(3))


@program
def pipe_records_without_a_feature(tf: Any) -> Any:
    example = tf.train.Example(features=tf.train.Features(feature={}))
    spec = {"n": tf.io.FixedLenFeature([], tf.int64)}
    return tf.io.parse_single_example(example.SerializeToString(), spec)


@program
def pipe_examples_are_read(tf: Any) -> Any:
    feature = {"n": tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))}
    text = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    again = tf.train.Example.FromString(text)
    return list(again.features.feature["n"].int64_list.value), len(text)


@program
def text_functions(tf: Any) -> Any:
    s = tf.constant(["Hello World", "a,b", ""])
    return (
        tf.strings.length(s), tf.strings.length("äb", unit="UTF8_CHAR"), tf.strings.upper(s),
        tf.strings.lower(s), tf.strings.join(["a", "b", "c"], "-"),
        tf.strings.join([s, s], separator="|"), tf.strings.reduce_join(s, separator=" "),
        tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=0),
        tf.strings.strip(tf.constant("  a b \n")),
        tf.strings.substr("Hello", 1, 3),
        tf.strings.regex_replace(s, "[aeo]", "_"), tf.strings.regex_full_match(s, "a.b"),
        tf.strings.to_number(["1.5", "-2"]), tf.strings.to_number("12", tf.int64),
        tf.strings.as_string([1.5, 2.25], precision=2), tf.strings.as_string([7, 12], width=4),
        tf.strings.as_string(True),
        tf.strings.unicode_decode("ab", "UTF-8"),
    )  # fmt: skip


@program
def text_of_numbers_that_are_none(tf: Any) -> Any:
    return tf.strings.to_number("1x")


@program
def text_compared(tf: Any) -> Any:
    s = tf.constant(["a", "b"])
    return s == "a", s != s[::-1], tf.equal(s, ["a", "c"]), tf.reduce_any(s == "b"), s[0] + "x"


@program
def raw_bytes(tf: Any) -> Any:
    text = np.arange(6, dtype=np.int16).tobytes()
    return (
        tf.io.decode_raw(text, tf.int16), tf.io.decode_raw([b"\x01\x02", b"\x03\x04"], tf.uint8),
        tf.io.serialize_tensor(tf.constant([1, 2])) == tf.io.serialize_tensor(tf.constant([1, 2])),
        tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant([[1.5], [2.5]])), tf.float32),
        tf.io.encode_base64("plait"), tf.io.decode_base64(tf.io.encode_base64("plait")),
    )  # fmt: skip


@program
def rows_of_text(tf: Any) -> Any:
    lines = tf.constant(["1,2.5,abc", "3,,d"])
    return tf.io.decode_csv(lines, [[0], [9.0], [""]])


@program
def files_as_values(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "deep", "a.txt")
        tf.io.gfile.makedirs(os.path.dirname(path))
        tf.io.write_file(path, "text")
        with tf.io.gfile.GFile(path, "a") as file:
            file.write(" and more")
        return (
            tf.io.read_file(path), tf.io.gfile.exists(path), tf.io.gfile.listdir(folder),
            [os.path.basename(p) for p in tf.io.gfile.glob(os.path.join(folder, "*", "*.txt"))],
            tf.io.matching_files(os.path.join(folder, "*")).shape.as_list(),
        )  # fmt: skip


@program
def no_file(tf: Any) -> Any:
    return tf.io.read_file("/nowhere/file")


# -- checkpoints ----------------------------------------------------------------------------------


def _module(tf: Any, **held: Any) -> Any:
    made = tf.Module()
    for name, value in held.items():
        setattr(made, name, value)
    return made


@program
def checkpoint_before_variables(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        saved = _module(tf, w=tf.Variable([1.0, 2.0]), deep=_module(tf, b=tf.Variable(3)))
        path = tf.train.Checkpoint(model=saved).save(os.path.join(folder, "ckpt"))
        late = tf.Module()
        checkpoint = tf.train.Checkpoint(model=late)
        checkpoint.restore(path)
        late.w = tf.Variable([0.0, 0.0])
        first = late.w.numpy()
        late.deep = tf.Module()
        late.deep.b = tf.Variable(0)
        return first, late.deep.b


@program
def checkpoint_partly(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(a=tf.Variable(1.0), b=tf.Variable(2.0)).write(
            os.path.join(folder, "x")
        )
        a = tf.Variable(0.0)
        status = tf.train.Checkpoint(a=a).read(path)
        status.assert_existing_objects_matched().expect_partial()
        try:
            status.assert_consumed()
        except AssertionError:
            return a, "left over"
        return a


@program
def checkpoint_of_another_shape(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(a=tf.Variable([1.0])).write(os.path.join(folder, "x"))
        return tf.train.Checkpoint(a=tf.Variable([1.0, 2.0])).read(path)


@program
def checkpoint_root(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        module = _module(tf, parts=[tf.Variable(1.0), tf.Variable(2.0)], more={"k": tf.Variable(3)})
        path = tf.train.Checkpoint(module).save(os.path.join(folder, "x"))
        for variable in module.variables:
            variable.assign(variable * 0)
        tf.train.Checkpoint(module).restore(path).assert_existing_objects_matched()
        return module.parts[0], module.parts[1], module.more["k"]


@program
def checkpoint_manager(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        v = tf.Variable(0)
        manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(v=v), folder, max_to_keep=2, checkpoint_name="model"
        )
        first = manager.latest_checkpoint
        for k in range(3):
            v.assign(k)
            manager.save(checkpoint_number=k * 10)
        names = [os.path.basename(p) for p in manager.checkpoints]
        v.assign(9)
        manager.checkpoint.restore(manager.latest_checkpoint)
        again = tf.train.CheckpointManager(tf.train.Checkpoint(v=v), folder, max_to_keep=2)
        found = again.restore_or_initialize()
        return first, names, v, os.path.basename(found), len(again.checkpoints)


@program
def checkpoint_manager_by_steps(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        step = tf.Variable(0, dtype=tf.int64)
        manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(step=step), folder, max_to_keep=None, step_counter=step,
            checkpoint_interval=2,
        )  # fmt: skip
        kept = []
        for k in range(5):
            step.assign(k)
            kept.append(manager.save() is not None)
        return kept
