"""Programs of TensorFlow 1 for both: queues, producers, readers, iterators that are fed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.tf.old_programs import PROGRAMS


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Enter a program, which runs in a graph of its own."""

    def run(tf: Any) -> Any:
        with tf.Graph().as_default():
            return function(tf)

    PROGRAMS[f"queues {function.__name__}"] = run
    return function


@contextlib.contextmanager
def filled(tf: Any) -> Iterator[Any]:
    """A session in which queues are filled."""
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess=sess, coord=coord)
        try:
            yield sess
        finally:
            coord.request_stop()
            coord.join(threads)


def to_the_end(tf: Any, sess: Any, fetches: Any) -> list[Any]:
    found = []
    try:
        while True:
            found.append(sess.run(fetches))
    except tf.errors.OutOfRangeError:
        found.append("end")
    return found


X = np.arange(14, dtype=np.float32).reshape(7, 2)
Y = np.arange(7, dtype=np.int64)


@program
def slices_in_batches(tf: Any) -> Any:
    x, y = tf.train.slice_input_producer([X, Y], num_epochs=1, shuffle=False)
    xs, ys = tf.train.batch([x * 2.0, y + 1], batch_size=3)
    with filled(tf) as sess:
        return to_the_end(tf, sess, [xs, ys]), xs.shape.as_list(), ys.dtype.name


@program
def a_smaller_last_batch(tf: Any) -> Any:
    x, y = tf.train.slice_input_producer([X, Y], num_epochs=2, shuffle=False)
    made = tf.train.batch({"x": x, "y": y}, batch_size=4, allow_smaller_final_batch=True)
    with filled(tf) as sess:
        return to_the_end(tf, sess, made["y"]), made["x"].shape.as_list()


@program
def shuffled_batches_hold_all(tf: Any) -> Any:
    x, y = tf.train.slice_input_producer([X, Y], num_epochs=3, shuffle=True, seed=1)
    xs, ys = tf.train.shuffle_batch([x, y], 3, capacity=20, min_after_dequeue=5)
    with filled(tf) as sess:
        found = to_the_end(tf, sess, [xs, ys])[:-1]
    same = all((a[:, 0] == 2 * b).all() for a, b in found)
    return same, sorted(int(v) for _, b in found for v in b), xs.shape.as_list()


@program
def training_from_a_queue(tf: Any) -> Any:
    x, y = tf.train.slice_input_producer([X, 3 * X[:, :1] + 1], num_epochs=20, shuffle=False)
    xs, ys = tf.train.batch([x / 10.0, y], batch_size=7)
    w = tf.get_variable("w", [2, 1], initializer=tf.zeros_initializer())
    loss = tf.reduce_mean(tf.square(tf.matmul(xs, w) + 1 - ys))
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with filled(tf) as sess:
        losses = [sess.run([loss, step])[0] for _ in range(20)]
        with contextlib.suppress(tf.errors.OutOfRangeError):
            sess.run(step)
            losses.append(-1.0)
        return losses, sess.run(w)


@program
def several_at_a_time(tf: Any) -> Any:
    numbers = tf.train.range_input_producer(6, num_epochs=1, shuffle=False).dequeue()
    pair = tf.stack([numbers, numbers * 10])
    made = tf.train.batch([pair], batch_size=4, enqueue_many=True)
    with filled(tf) as sess:
        return to_the_end(tf, sess, made)


@program
def padded_batches(tf: Any) -> Any:
    number = tf.train.range_input_producer(6, num_epochs=1, shuffle=False).dequeue()
    made = tf.train.batch([tf.range(number)], batch_size=3, dynamic_pad=True)
    with filled(tf) as sess:
        return to_the_end(tf, sess, made), made.shape.as_list()


@contextlib.contextmanager
def files() -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, text in enumerate(("a,1\nb,2\n", "head\nc,3", "d,4\ne,5\nf,6\n")):
            names.append(os.path.join(folder, f"{number}.csv"))
            with open(names[-1], "w", encoding="ascii") as file:
                file.write(text)
        yield names


@program
def lines_of_files(tf: Any) -> Any:
    with files() as names:
        queue = tf.train.string_input_producer([names[0], names[2]], num_epochs=2, shuffle=False)
        key, line = tf.TextLineReader().read(queue)
        word, number = tf.decode_csv(line, [[""], [0]])
        words, numbers = tf.train.batch([word, number], batch_size=4)
        with filled(tf) as sess:
            return to_the_end(tf, sess, [words, numbers]), key.shape.as_list()


@program
def keys_and_headers(tf: Any) -> Any:
    with files() as names:
        queue = tf.train.string_input_producer(names[1:], num_epochs=1, shuffle=False)
        reader = tf.TextLineReader(skip_header_lines=1)
        key, line = reader.read(queue)
        with filled(tf) as sess:
            pairs = to_the_end(tf, sess, [key, line])
            count = sess.run(reader.num_records_produced())
        return [[os.path.basename(k), v] for k, v in pairs[:-1]], int(count)


@program
def whole_files(tf: Any) -> Any:
    with files() as names:
        queue = tf.train.string_input_producer(names, num_epochs=1, shuffle=False)
        _key, text = tf.WholeFileReader().read(queue)
        with filled(tf) as sess:
            return to_the_end(tf, sess, text)


@program
def records_of_files(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "some.tfrecord")
        with tf.python_io.TFRecordWriter(name) as writer:
            for number in range(5):
                feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[number, -number]))
                features = tf.train.Features(feature={"pair": feature})
                writer.write(tf.train.Example(features=features).SerializeToString())
        queue = tf.train.string_input_producer([name], num_epochs=1, shuffle=False)
        _key, record = tf.TFRecordReader().read(queue)
        parsed = tf.parse_single_example(record, {"pair": tf.FixedLenFeature([2], tf.int64)})
        made = tf.train.batch([parsed["pair"]], batch_size=2, allow_smaller_final_batch=True)
        with filled(tf) as sess:
            return to_the_end(tf, sess, made)


@program
def records_of_fixed_length(tf: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "bytes")
        with open(name, "wb") as file:
            file.write(b"H" + bytes(range(12)) + b"F")
        queue = tf.train.string_input_producer([name], num_epochs=1, shuffle=False)
        reader = tf.FixedLengthRecordReader(record_bytes=4, header_bytes=1, footer_bytes=1)
        _key, record = reader.read(queue)
        with filled(tf) as sess:
            return to_the_end(tf, sess, tf.decode_raw(record, tf.uint8))


@program
def a_queue_by_hand(tf: Any) -> Any:
    queue = tf.FIFOQueue(10, ["int32", "float32"], shapes=[[], [2]])
    fed = tf.placeholder("int32", [])
    put = queue.enqueue([fed, [1.5, 2.5]])
    several = queue.enqueue_many([[7, 8, 9], [[0, 1], [2, 3], [4, 5]]])
    one, two, rest = queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(5)
    with tf.Session() as sess:
        sess.run(put, {fed: 5})
        sess.run(several)
        size = sess.run(queue.size())
        first, pair = sess.run(one), sess.run(two)
        sess.run(queue.close())
        left = sess.run(rest)
        try:
            sess.run(one)
        except tf.errors.OutOfRangeError:
            left.append("end")
        try:
            sess.run(put, {fed: 5})
        except tf.errors.CancelledError:
            left.append("closed")
        return int(size), first, pair, left, one[1].shape.as_list(), two[0].shape.as_list()


@program
def a_runner_of_ones_own(tf: Any) -> Any:
    queue = tf.FIFOQueue(4, tf.float32, shapes=[[]])
    count = tf.get_variable("count", initializer=0.0)
    put = queue.enqueue(tf.assign_add(count, 1.0))
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [put]))
    with filled(tf) as sess:
        return [float(sess.run(queue.dequeue())) for _ in range(5)]


@program
def a_random_queue_keeps_some_behind(tf: Any) -> Any:
    queue = tf.RandomShuffleQueue(20, 3, "int32", shapes=[[]])
    put = queue.enqueue_many([list(range(8))])
    with tf.Session() as sess:
        sess.run(put)
        first = sess.run(queue.dequeue_many(5))
        sess.run(queue.close())
        return sorted(map(int, [*first, *sess.run(queue.dequeue_many(3))]))


@program
def dequeue_many_needs_shapes(tf: Any) -> Any:
    queue = tf.FIFOQueue(3, "int32")
    with tf.Session() as sess:
        sess.run([queue.enqueue(1), queue.enqueue(2)])
        return sess.run(queue.dequeue_many(2))


@program
def strings_of_none(tf: Any) -> Any:
    return tf.train.string_input_producer([])


@program
def fed_iterators(tf: Any) -> Any:
    first = tf.data.Dataset.range(4).map(lambda x: x * 2)
    second = tf.data.Dataset.range(100, 103)
    handle = tf.placeholder(tf.string, [])
    fed = tf.data.Iterator.from_string_handle(handle, first.output_types, first.output_shapes)
    made = fed.get_next() + 1
    one, two = first.make_one_shot_iterator(), tf.data.make_initializable_iterator(second)
    with tf.Session() as sess:
        sess.run(two.initializer)
        names = sess.run([one.string_handle(), two.string_handle()])
        turns = [sess.run(made, {handle: names[k]}) for k in (0, 1, 0, 0, 1, 1, 0)]
        try:
            sess.run(made, {handle: names[1]})
        except tf.errors.OutOfRangeError:
            turns.append("end")
        sess.run(two.initializer)
        return [*turns, sess.run(made, {handle: names[1]})], made.shape.as_list()


@program
def blocks_of_unknown_extents(tf: Any) -> Any:
    x = tf.placeholder("float32", [None, 4, 3])
    begin, size = tf.placeholder("int32", [3]), tf.placeholder("int32", [3])
    blocks = [
        tf.slice(x, begin, size),
        tf.slice(x, begin, [2, -1, 1]),
        tf.slice(x, [0, 1, 0], size),
        tf.slice(x, [0, begin[1], 1], [-1, 2, -1]),
    ]
    values = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
    with tf.Session() as sess:
        found = sess.run(blocks, {x: values, begin: [1, 1, 1], size: [2, 2, 2]})
    return found, [b.shape.as_list() for b in blocks]


@program
def a_part_of_a_picture(tf: Any) -> Any:
    image = tf.placeholder(tf.float32, [None, None, 3])
    begin, size, box = tf.image.sample_distorted_bounding_box(
        tf.shape(image),
        bounding_boxes=tf.zeros([1, 0, 4]),
        area_range=[0.3, 0.9],
        use_image_if_no_bounding_boxes=True,
    )
    part = tf.slice(image, begin, size)
    part.set_shape([None, None, 3])
    small = tf.image.resize_images(part, [8, 8])
    with tf.Session() as sess:
        given = {image: np.ones((20, 30, 3), np.float32)}
        made, extents, place = sess.run([small, size, box], given)
    return made, bool(180 <= extents[0] * extents[1] <= 540), place.shape, small.shape.as_list()
