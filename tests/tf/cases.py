"""Programs for both TensorFlows: each takes the module `tf`, and gives tensors or structures."""

# ruff: noqa: E501  # one case to a line, whatever its length

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

CASES: dict[str, Callable[[Any], Any]] = {}


def case(text: str) -> None:
    """A case that is an expression of `tf` and `np`."""
    CASES[text] = eval(f"lambda tf: {text}", {"np": np})


A = "tf.constant([[1., -2., 3.5], [0.25, 5., -6.]])"
B = "tf.constant([[2., 0.5, -1.], [3., 1., 2.]])"
I = "tf.constant([[7, -8, 9], [2, 3, -4]])"
S = "tf.constant([4., 1., 9., 2.25])"

for text in f"""
tf.constant(1)
tf.constant(1.5)
tf.constant(True)
tf.constant([1, 2.5, True])
tf.constant(2**40)
tf.constant([[1, 2], [3, 4]], tf.float64)
tf.constant(3, shape=[2, 2])
tf.constant("abc")
tf.constant(["a", "bc"])
tf.constant(np.arange(3))
tf.constant(np.float64(2.5))
tf.constant([np.float64(2.5), np.float64(1)])
tf.constant([])
tf.constant(1.5, tf.int32)
tf.constant(1, tf.string)
tf.constant([[1], [1, 2]])
tf.constant(300, tf.uint8)
tf.constant(True, tf.float32)
tf.constant(1 + 2j)
tf.convert_to_tensor([1, 2], tf.float32)
tf.convert_to_tensor(np.arange(3.), tf.float32)
tf.convert_to_tensor(tf.constant([1.]), tf.int32)
tf.convert_to_tensor([tf.constant(1.), tf.constant(2.)])
tf.convert_to_tensor(None)
tf.zeros([2, 3])
tf.zeros([2, -1])
tf.zeros([], tf.int64)
tf.ones((2,), tf.int32)
tf.zeros_like([1, 2])
tf.ones_like({A}, tf.int32)
tf.fill([2, 3], 7)
tf.fill([2], "a")
tf.fill([2], [1])
tf.fill([2], [1, 2])
tf.while_loop(lambda i: True, lambda i: (i + 1,), (0,), maximum_iterations=4)
tf.eye(3)
tf.eye(2, 3, batch_shape=[2])
tf.range(5)
tf.range(2, 10, 3)
tf.range(0., 1., 0.25)
tf.range(5, 0, -2)
tf.range(3, dtype=tf.float32)
tf.range(5, 1)
tf.range(0, 5, 0)
tf.linspace(0., 1., 5)
tf.linspace([0., 1.], [1., 3.], 3)
tf.one_hot([0, 2, -1], 3)
tf.one_hot([0, 2], 3, on_value=5, off_value=-1)
tf.one_hot([[0], [1]], 2, axis=0)
tf.one_hot([0, 2], 3, dtype=tf.int32)
tf.meshgrid([1, 2], [3, 4, 5])
tf.meshgrid([1, 2], [3, 4, 5], indexing="ij")
tf.cast([1.7, -1.7], tf.int32)
tf.cast([0, 2], tf.bool)
tf.cast([True, False], tf.float32)
tf.cast([1, 2], "float64")
tf.cast("a", tf.int32)
tf.saturate_cast([300., -5.], tf.uint8)
{A} + {B}
{A} - {B}
{A} * {B}
{A} / {B}
{A} // {B}
{A} % {B}
{A} ** {B}
{I} // 4
{I} % 4
{I} / 4
{I} % tf.constant(-4)
{I} // tf.constant(0)
{I} % 0
tf.constant(7) // 2
tf.constant([True]) + tf.constant([True])
tf.constant([1., 2.]) + tf.constant([1, 2])
tf.constant([1., 2.]) + np.array([1, 2])
np.array([1., 2.]) + tf.constant([1., 2.])
np.array([1, 2]) * tf.constant([1., 2.])
tf.constant([1, 2]) + 2.5
2.5 + tf.constant([1, 2])
2 + tf.constant([1., 2.])
1 - {A}
1 / {A}
2 ** tf.constant([1., 2.])
tf.constant([1, 2]) ** 2
tf.constant([1]) ** -1
{A} + [[1.], [2.]]
{A} + tf.ones([2, 2])
{A} @ tf.transpose({B})
{A} @ {B}
-{A}
abs({A})
~tf.constant([True, False])
tf.constant([True]) & tf.constant([False])
tf.constant([True]) | tf.constant([False])
tf.constant([True]) ^ tf.constant([True])
tf.constant([6]) & tf.constant([3])
{A} < {B}
{A} >= 1
{A} == {B}
{A} != {A}
{A} == None
{A} == tf.ones([5])
tf.constant([1.]) == tf.constant([1])
tf.constant([1, 2]) < 2.5
tf.constant("a") + tf.constant("b")
tf.constant("a") == tf.constant(["a", "b"])
{A}[0]
{A}[1, 2]
{A}[-1]
{A}[:, 1]
{A}[..., ::2]
{A}[::-1]
{A}[:, ::-2]
{A}[:, -1:0:-1]
{A}[tf.newaxis, :, None]
{A}[1:1]
{A}[5]
{A}[0, 0, 0]
{A}[tf.constant(1)]
{A}[tf.constant([1])]
{A}[{A} > 0]
{A}["a"]
{A}[1.5]
{A}[:, tf.constant(1):]
len({A})
len(tf.constant(3))
bool({A})
int(tf.constant(3.7))
float(tf.constant(3))
list(range(5))[tf.constant(2)]
hash({A})
{A}.foo
{A}.shape.as_list()
{A}.shape[0]
{A}.ndim
{A}.dtype.name
tf.add(1, 2)
tf.add(1, 2.5)
tf.add_n([{A}, {B}])
tf.add_n([{A}, {S}])
tf.subtract({A}, 1)
tf.multiply({A}, {B})
tf.divide({I}, 2)
tf.divide(1, 2)
tf.math.divide_no_nan([1., 2.], [0., 4.])
tf.math.multiply_no_nan([1., np.nan], [2., 0.])
tf.math.xlogy([0., 2.], [0., 3.])
tf.math.xdivy([0., 2.], [0., 4.])
tf.math.floordiv(-7, 2)
tf.math.floormod(-7, 3)
tf.truncatediv(-7, 2)
tf.truncatemod(-7, 3)
tf.maximum({A}, 1.)
tf.minimum({A}, {B})
tf.math.squared_difference({A}, {B})
tf.math.atan2({A}, {B})
tf.sqrt({S})
tf.sqrt(4)
tf.math.rsqrt({S})
tf.exp({A})
tf.math.expm1({A})
tf.math.log({S})
tf.math.log1p({S})
tf.sin({A})
tf.cos({A})
tf.tan({A})
tf.asin([0.5])
tf.acos([0.5])
tf.atan({A})
tf.sinh({A})
tf.cosh({A})
tf.tanh({A})
tf.asinh({A})
tf.acosh([1.5])
tf.atanh([0.5])
tf.sigmoid({A})
tf.sign({A})
tf.sign({I})
tf.square({I})
tf.abs({I})
tf.negative({A})
tf.math.reciprocal({A})
tf.floor({A})
tf.math.ceil({A})
tf.round([0.5, 1.5, -2.5])
tf.round([1, 2])
tf.math.rint([0.5, 1.7])
tf.math.erf({A})
tf.math.erfc({A})
tf.math.lgamma({S})
tf.math.digamma({S})
tf.math.is_nan([1., np.nan])
tf.math.is_inf([1., np.inf])
tf.math.is_finite([1., np.inf, np.nan])
tf.logical_and([True, False], True)
tf.logical_or([True, False], False)
tf.logical_not([True, False])
tf.math.logical_xor([True, False], True)
tf.equal({A}, {A})
tf.equal(1, 1.0)
tf.not_equal({A}, 1.)
tf.greater({A}, 0)
tf.less_equal({A}, {B})
tf.clip_by_value({A}, -1., 2.)
tf.clip_by_value({I}, -1, 2)
tf.clip_by_norm({A}, 2.)
tf.clip_by_norm({A}, 2., axes=[1])
tf.clip_by_global_norm([{A}, {B}], 1.)
tf.linalg.global_norm([{A}, {B}])
tf.where({A} > 0, {A}, {B})
tf.where({A} > 0, {A}, 0.)
tf.where({A} > 0)
tf.where([True, False], [1, 2], [3, 4])
tf.reduce_sum({A})
tf.reduce_sum({A}, 0)
tf.reduce_sum({A}, axis=-1, keepdims=True)
tf.reduce_sum({I}, [0, 1])
tf.reduce_sum({A}, axis=3)
tf.reduce_sum([True])
tf.reduce_sum({A}, axis=[])
tf.reduce_mean({A}, 1)
tf.reduce_mean([1, 2, 4])
tf.reduce_mean([-1, -2, -4])
tf.reduce_max({A}, 0)
tf.reduce_min({I})
tf.reduce_max(tf.zeros([0]))
tf.reduce_prod({A}, 1)
tf.reduce_prod({I})
tf.reduce_all([True, False])
tf.reduce_any([[True], [False]], 1)
tf.reduce_all([1, 2])
tf.math.reduce_std({A})
tf.math.reduce_variance({A}, 0)
tf.math.reduce_euclidean_norm({A}, 1)
tf.reduce_logsumexp({A}, 1)
tf.norm({A})
tf.norm({A}, axis=1)
tf.norm({A}, ord=1)
tf.norm({A}, ord=np.inf, axis=0)
tf.argmax({A})
tf.argmax({A}, 1)
tf.argmax([1, 3, 3])
tf.argmin({A}, axis=-1, output_type=tf.int32)
tf.argmax({A}, 5)
tf.cumsum({A}, 1)
tf.cumsum([1, 2, 3], exclusive=True)
tf.cumsum([1, 2, 3], reverse=True)
tf.cumsum([1, 2, 3], exclusive=True, reverse=True)
tf.math.cumprod([1., 2., 3.])
tf.math.cumprod([1., 2., 3.], exclusive=True)
tf.math.count_nonzero({I})
tf.math.count_nonzero([0, 1, 2], dtype=tf.int32)
tf.math.bincount([1, 1, 3])
tf.math.bincount([1, 1, 3], minlength=6)
tf.math.bincount([1, 1, 3], weights=[1., 2., 3.])
tf.math.confusion_matrix([0, 1, 1], [0, 1, 0])
tf.math.confusion_matrix([0, 1, 1], [0, 1, 0], num_classes=3)
tf.math.zero_fraction([0., 1., 0., 2.])
tf.shape({A})
tf.shape({A}, out_type=tf.int64)
tf.size({A})
tf.rank({A})
tf.reshape({A}, [3, 2])
tf.reshape({A}, [-1])
tf.reshape({A}, (tf.shape({A})[0], -1))
tf.reshape({A}, [4, 2])
tf.reshape({A}, [-1, 4])
tf.reshape({A}, [])
tf.expand_dims({A}, -1)
tf.expand_dims({A}, 1)
tf.expand_dims({A}, 5)
tf.squeeze([[[1]], [[2]]])
tf.squeeze([[[1]], [[2]]], 1)
tf.squeeze({A}, 0)
tf.transpose({A})
tf.transpose(tf.zeros([2, 3, 4]), [1, 0, 2])
tf.transpose({A}, [0])
tf.concat([{A}, {B}], 0)
tf.concat([{A}, {B}], -1)
tf.concat([{A}, {S}], 0)
tf.concat([{A}, tf.ones([3, 3])], 1)
tf.concat([["a"], ["b"]], 0)
tf.concat([[1], [2.5]], 0)
tf.stack([1, 2, 3])
tf.stack([{A}, {B}], axis=1)
tf.stack([{A}, {S}])
tf.unstack({A})
tf.unstack({A}, axis=1)
tf.split({A}, 3, 1)
tf.split(tf.range(5), 2)
tf.split(tf.range(5), [2, 3])
tf.split(tf.range(5), [2, -1])
tf.tile([1, 2], [2])
tf.tile({A}, [1, 2])
tf.tile({A}, [2])
tf.repeat([1, 2], 2)
tf.repeat({A}, [1, 2], axis=0)
tf.broadcast_to([1, 2], [3, 2])
tf.broadcast_to([1, 2], [3])
tf.pad({A}, [[1, 0], [0, 2]])
tf.pad({A}, [[1, 0], [0, 2]], constant_values=9)
tf.pad({A}, [[1, 1], [2, 2]], "REFLECT")
tf.pad({A}, [[1, 1], [2, 2]], "SYMMETRIC")
tf.pad({A}, [[1, 1]])
tf.reverse({A}, [1])
tf.roll([1, 2, 3], 1, 0)
tf.sort([3, 1, 2])
tf.sort({A}, direction="DESCENDING")
tf.argsort([3, 1, 2])
tf.math.top_k([1, 3, 2, 3], 2)
tf.math.top_k([1, 3], 5)
tf.math.in_top_k([1, 0], [[0.1, 0.9], [0.2, 0.8]], 1)
tf.unique([3, 1, 3, 2])
tf.unique_with_counts([3, 1, 3, 2])
tf.searchsorted([1, 3, 5], [2, 5])
tf.searchsorted([1, 3, 5], [3], side="right")
tf.sequence_mask([1, 3])
tf.sequence_mask([1, 3], 4, tf.int32)
tf.gather({A}, [1, 0])
tf.gather({A}, [[2], [0]], axis=1)
tf.gather({A}, 1)
tf.gather({A}, 5)
tf.gather({A}, [[0, 1], [2, 0]], batch_dims=1)
tf.gather(tf.reshape(tf.range(24), [2, 3, 4]), [[0], [1]], axis=2, batch_dims=1)
tf.gather(["a", "b"], [1])
tf.gather({A}, [0.5])
tf.gather_nd({A}, [[0, 1], [1, 2]])
tf.gather_nd({A}, [[1]])
tf.gather_nd({A}, [[0], [1]], batch_dims=1)
tf.gather_nd({A}, [[5, 0]])
tf.scatter_nd([[0], [2], [0]], [1, 2, 3], [4])
tf.scatter_nd([[1]], [[1., 2.]], [2, 2])
tf.tensor_scatter_nd_update([1, 2, 3], [[1]], [9])
tf.tensor_scatter_nd_add([1, 2, 3], [[1], [1]], [9, 1])
tf.tensor_scatter_nd_sub([1, 2, 3], [[1]], [9])
tf.tensor_scatter_nd_max([1, 2, 3], [[1], [2]], [9, 0])
tf.tensor_scatter_nd_min([1, 2, 3], [[1], [2]], [9, 0])
tf.boolean_mask({A}, [True, False])
tf.boolean_mask({A}, [[True, False, True], [False, True, False]])
tf.boolean_mask({A}, [True, False, True], axis=1)
tf.boolean_mask({A}, [True])
tf.slice({A}, [0, 1], [2, 2])
tf.slice({A}, [0, 1], [-1, 1])
tf.slice({A}, [0, 1], [3, 1])
tf.strided_slice([1, 2, 3, 4], [1], [4], [2])
tf.matmul({A}, {B}, transpose_b=True)
tf.matmul({A}, {B})
tf.matmul([1., 2.], [1., 2.])
tf.matmul(tf.ones([2, 2, 3]), tf.ones([3, 4]))
tf.tensordot({A}, {B}, [[1], [1]])
tf.tensordot({A}, tf.transpose({B}), 1)
tf.einsum("ij,kj->ik", {A}, {B})
tf.linalg.matvec({A}, [1., 2., 3.])
tf.linalg.trace([[1., 2.], [3., 4.]])
tf.linalg.diag([1., 2.])
tf.linalg.diag_part([[1., 2.], [3., 4.]])
tf.linalg.set_diag(tf.zeros([2, 2]), [1., 2.])
tf.linalg.band_part(tf.ones([3, 3]), 1, 0)
tf.linalg.inv([[1., 2.], [3., 4.]])
tf.linalg.inv([[1., 2.], [2., 4.]])
tf.linalg.det([[1., 2.], [3., 4.]])
tf.linalg.solve([[1., 2.], [3., 4.]], [[1.], [2.]])
tf.linalg.cholesky([[2., 1.], [1., 2.]])
tf.linalg.svd([[1., 2.], [3., 4.]], compute_uv=False)
tf.linalg.eigvalsh([[2., 1.], [1., 2.]])
tf.linalg.matrix_transpose({A})
tf.linalg.l2_normalize({A}, axis=1)
tf.linalg.cross([1., 0., 0.], [0., 1., 0.])
tf.linalg.lstsq([[1., 0.], [0., 1.], [1., 1.]], [[1.], [2.], [3.]])
tf.linalg.logdet([[2., 1.], [1., 2.]])
tf.nn.relu({A})
tf.nn.relu("a")
tf.nn.relu6({A})
tf.nn.leaky_relu({A})
tf.nn.elu({A})
tf.nn.selu({A})
tf.nn.gelu({A})
tf.nn.gelu({A}, approximate=True)
tf.nn.silu({A})
tf.nn.swish({A})
tf.nn.softplus({A})
tf.nn.softplus([50., -50.])
tf.nn.softsign({A})
tf.nn.sigmoid({A})
tf.nn.tanh({A})
tf.nn.crelu({A})
tf.nn.softmax({A})
tf.nn.softmax({A}, axis=0)
tf.nn.log_softmax({A})
tf.nn.softmax_cross_entropy_with_logits(labels=[[0., 1., 0.], [0.5, 0.5, 0.]], logits={A})
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 2], logits={A})
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 5], logits={A})
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[[1, 2]], logits={A})
tf.nn.sigmoid_cross_entropy_with_logits(labels=[[0., 1., 0.], [0.5, 0.5, 0.]], logits={A})
tf.nn.sigmoid_cross_entropy_with_logits(labels=[0., 1.], logits={A})
tf.nn.weighted_cross_entropy_with_logits([[0., 1., 0.], [1., 0., 1.]], {A}, 2.)
tf.nn.log_poisson_loss([1., 2.], [0.5, 1.])
tf.nn.log_poisson_loss([1., 2.], [0.5, 1.], compute_full_loss=True)
tf.nn.l2_loss({A})
tf.nn.bias_add({A}, [1., 2., 3.])
tf.nn.bias_add({A}, [1., 2.])
tf.nn.moments({A}, [0])
tf.nn.moments({A}, [0, 1], keepdims=True)
tf.nn.batch_normalization({A}, [1., 2., 3.], tf.constant([1., 4., 9.]), [0., 1., 2.], [1., 1., 2.], 1e-3)
tf.nn.embedding_lookup({A}, [[1], [0]])
tf.nn.embedding_lookup({A}, [5])
tf.nn.local_response_normalization(tf.reshape(tf.range(8.), [1, 1, 2, 4]), depth_radius=1)
tf.nn.dropout({A}, 0.0)
tf.nn.dropout({A}, 1.5)
tf.nn.compute_average_loss([1., 2.], global_batch_size=4)
tf.nn.zero_fraction({A})
tf.math.segment_sum([1., 2., 3.], [0, 0, 2])
tf.math.segment_max([1., 2., 3.], [0, 0, 2])
tf.math.segment_mean([1., 2., 3.], [0, 0, 2])
tf.math.segment_sum([1., 2., 3.], [1, 0, 2])
tf.math.unsorted_segment_sum([1., 2., 3.], [2, 0, 2], 4)
tf.math.unsorted_segment_mean([1., 2., 3.], [2, 0, 2], 4)
tf.dynamic_partition([1, 2, 3], [0, 1, 0], 2)
tf.dynamic_stitch([[0, 2], [1]], [[10, 30], [20]])
tf.nn.space_to_depth(tf.reshape(tf.range(16.), [1, 4, 4, 1]), 2)
tf.nn.depth_to_space(tf.reshape(tf.range(16.), [1, 2, 2, 4]), 2)
tf.strings.lower(["ABC"])
tf.strings.upper("abc")
tf.strings.length(["a", "bcd"])
tf.strings.join(["a", ["b", "c"]], "-")
tf.strings.reduce_join(["a", "b"], separator=" ")
tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1)
tf.strings.regex_replace("hello world", "o", "0")
tf.strings.regex_replace("a1b22", r"(\\d+)", r"<\\1>")
tf.strings.regex_full_match(["ab", "abc"], "ab")
tf.strings.substr("hello", 1, 3)
tf.strings.strip("  a ")
tf.strings.to_number(["1.5", "2"])
tf.strings.to_number("7", tf.int32)
tf.strings.to_number("x")
tf.strings.as_string([1, 2])
tf.strings.as_string([1.5], precision=2)
tf.strings.split("a b  c")
tf.strings.split("a,b,c", ",")
tf.strings.bytes_split("abc")
tf.strings.unicode_decode("ab", "UTF-8")
tf.strings.format("x: {{}}", tf.constant([1, 2]))
tf.io.decode_raw(b"\\x01\\x02\\x03\\x04", tf.uint8)
tf.io.decode_csv(["1,2.5,a", "3,,b"], [[0], [0.5], [""]])
tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant([[1., 2.]])), tf.float32)
tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant(["a"])), tf.string)
tf.cond(True, lambda: tf.constant(1), lambda: tf.constant(2))
tf.cond(tf.constant(1) > 2, lambda: 1, lambda: 2)
tf.case([(tf.constant(False), lambda: 1)], default=lambda: tf.constant(5))
tf.switch_case(tf.constant(1), [lambda: tf.constant(1), lambda: tf.constant(2)])
tf.while_loop(lambda i: i < 10, lambda i: [i + 3], [tf.constant(0)])
tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2.), (tf.constant(0), tf.constant(1.)))
tf.map_fn(lambda x: x * 2, tf.constant([1, 2, 3]))
tf.map_fn(lambda x: x[0] + x[1], (tf.constant([1., 2.]), tf.constant([3., 4.])), fn_output_signature=tf.float32)
tf.vectorized_map(lambda x: tf.reduce_sum(x), {A})
tf.foldl(lambda a, x: a + x, tf.constant([1, 2, 3]))
tf.foldr(lambda a, x: a - x, tf.constant([1, 2, 3]))
tf.scan(lambda a, x: a + x, tf.constant([1, 2, 3]))
tf.scan(lambda a, x: a + x, tf.constant([1, 2, 3]), initializer=10)
tf.py_function(lambda x: x * 2, [tf.constant(2.)], tf.float32)
tf.numpy_function(lambda x: x * 2, [tf.constant(2.)], tf.float32)
tf.bitwise.bitwise_xor([6], [3])
tf.bitwise.left_shift([1], [3])
tf.bitcast(tf.constant(1.), tf.int32)
tf.ensure_shape({A}, [2, None])
tf.ensure_shape({A}, [3, None])
tf.debugging.check_numerics({A}, "m")
tf.debugging.check_numerics([1., np.nan], "m")
tf.debugging.assert_equal(1, 2)
tf.debugging.assert_positive([1, 2])
tf.debugging.assert_rank({A}, 3)
tf.debugging.assert_shapes([({A}, ("N", 3)), ({B}, ("N", "D"))])
tf.debugging.assert_near([1.], [1.1])
tf.image.flip_left_right(tf.reshape(tf.range(12.), [2, 3, 2]))
tf.image.convert_image_dtype(tf.constant([[[0, 128, 255]]], tf.uint8), tf.float32)
tf.image.convert_image_dtype([[[0., 0.5, 1.]]], tf.uint8)
tf.image.resize(tf.reshape(tf.range(16.), [1, 4, 4, 1]), [2, 2])
tf.image.resize(tf.reshape(tf.range(16.), [1, 4, 4, 1]), [7, 5])
tf.image.resize(tf.reshape(tf.range(16), [4, 4, 1]), [3, 6], method="nearest")
tf.image.resize(tf.reshape(tf.range(16.), [4, 4, 1]), [2, 8], preserve_aspect_ratio=True)
tf.image.central_crop(tf.reshape(tf.range(32.), [4, 8, 1]), 0.5)
tf.image.crop_to_bounding_box(tf.reshape(tf.range(32.), [4, 8, 1]), 1, 2, 2, 3)
tf.image.crop_to_bounding_box(tf.reshape(tf.range(32.), [4, 8, 1]), 3, 2, 2, 3)
tf.image.pad_to_bounding_box(tf.reshape(tf.range(4.), [2, 2, 1]), 1, 0, 4, 3)
tf.image.resize_with_crop_or_pad(tf.reshape(tf.range(12.), [3, 4, 1]), 5, 2)
tf.image.rgb_to_grayscale([[[0.1, 0.5, 0.9]]])
tf.image.grayscale_to_rgb(tf.constant([[[0.1]]]))
tf.image.rgb_to_hsv([[[0.1, 0.5, 0.9]]])
tf.image.hsv_to_rgb([[[0.3, 0.5, 0.9]]])
tf.image.adjust_brightness([[[0.1, 0.5, 0.9]]], 0.2)
tf.image.adjust_contrast([[[0.1], [0.5]]], 2.)
tf.image.adjust_saturation([[[0.1, 0.5, 0.9]]], 0.5)
tf.image.adjust_hue([[[0.1, 0.5, 0.9]]], 0.2)
tf.image.adjust_gamma([[[0.1, 0.5, 0.9]]], 2.)
tf.image.per_image_standardization(tf.reshape(tf.range(12.), [2, 2, 3]))
tf.image.rot90(tf.reshape(tf.range(6.), [2, 3, 1]))
tf.image.extract_patches(tf.reshape(tf.range(50.), [1, 5, 5, 2]), [1, 3, 2, 1], [1, 2, 1, 1], [1, 1, 1, 1], "VALID")
tf.image.extract_patches(tf.reshape(tf.range(50.), [1, 5, 5, 2]), [1, 3, 3, 1], [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
tf.image.sobel_edges(tf.reshape(tf.range(24.) ** 1.5, [1, 3, 4, 2]))
tf.image.crop_and_resize(tf.reshape(tf.range(32.), [2, 4, 4, 1]), [[0.1, 0., 0.8, 1.], [0.5, 0.5, 1.5, 1.2]], [0, 1], [3, 2])
tf.image.crop_and_resize(tf.reshape(tf.range(32.), [2, 4, 4, 1]), [[0., 0., 1., 1.]], [1], [1, 4], extrapolation_value=9.)
tf.complex([1.], [2.])
tf.complex([1.], [2., 3.]) * tf.constant(1j, tf.complex64)
tf.math.real([1 + 2j])
tf.math.imag([1 + 2j])
tf.math.conj(tf.constant([1 + 2j]))
tf.math.angle(tf.constant([1 + 2j, -1 - 1j]))
tf.math.angle([1., -1.])
tf.abs(tf.constant([3 + 4j]))
tf.exp(tf.constant([1 + 2j]))
tf.cast(tf.constant([1 + 2j]), tf.float64)
tf.cast([1.5], tf.complex64)
tf.matmul(tf.constant([[1j]]), tf.constant([[2 + 1j]]), adjoint_a=True)
tf.signal.fft(tf.constant([1., 2., 3.], tf.complex64))
tf.signal.fft([1., 2.])
tf.signal.ifft(tf.constant([1 + 1j, 2., 3.]))
tf.signal.fft2d(tf.reshape(tf.cast(tf.range(6.), tf.complex64), [2, 3]))
tf.signal.rfft([1., 2., 4., 8.])
tf.signal.rfft([1., 2., 4., 8.], [6])
tf.signal.irfft(tf.cast(tf.constant([15 + 0j, -3 + 6j, -5 + 0j]), tf.complex64))
tf.signal.fft(tf.constant([1., 2.]))
tf.signal.fftshift([1, 2, 3, 4, 5])
tf.signal.hann_window(5)
tf.signal.hann_window(6)
tf.signal.hann_window(6, periodic=False)
tf.signal.hamming_window(4)
tf.signal.frame(tf.range(7), 3, 2)
tf.signal.frame(tf.range(7), 3, 2, pad_end=True, pad_value=-1)
tf.signal.frame(tf.reshape(tf.range(12), [6, 2]), 2, 2, axis=0)
tf.signal.frame(tf.range(2), 3, 2)
tf.signal.overlap_and_add(tf.reshape(tf.range(6.), [3, 2]), 1)
tf.signal.stft(tf.range(20.), 8, 4)
tf.signal.stft(tf.range(20.), 6, 4, fft_length=16, pad_end=True)
tf.signal.inverse_stft(tf.signal.stft(tf.range(20.), 8, 4), 8, 4)
tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1).lookup(tf.constant([["a", "c"]]))
tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1, 2], ["x", "y"]), "none")[tf.constant([2, 3])]
tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "a"], [1, 2]), -1)
tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1).lookup(tf.constant([1]))
tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64)), 1).lookup(tf.constant(["b", "z", "a"]))
tf.distribute.get_strategy().num_replicas_in_sync
tf.distribute.MirroredStrategy(["/cpu:0"]).run(lambda x: x * 2, args=(tf.constant(3),))
tf.distribute.get_strategy().reduce(tf.distribute.ReduceOp.SUM, tf.constant([1., 2.]), axis=0)
tf.image.total_variation(tf.reshape(tf.range(12.), [2, 2, 3]))
tf.image.psnr(tf.constant([[[0.1]]]), tf.constant([[[0.2]]]), 1.0)
tf.nest.flatten({{"b": 1, "a": [2, (3, 4)]}})
tf.nest.map_structure(lambda x: x + 1, {{"b": 1, "a": [2, 3]}})
tf.TensorShape([None, 2]).as_list()
tf.TensorShape([None, 2]).is_compatible_with([3, 2])
tf.TensorShape([2, 3]).num_elements()
tf.TensorShape([1]).concatenate([2]).as_list()
tf.as_dtype("float32").name
tf.float32.max
tf.int8.min
tf.float32 == "float32"
tf.constant([1.5, 2.]).numpy().dtype.name
tf.initializers.Zeros()((2, 3))
tf.initializers.Constant(3.)((2,))
tf.constant_initializer([1., 2.])((2,))
""".strip().splitlines():  # fmt: skip
    case(text.strip())

# Convolution and pooling, over their options.
for size in (5, 6):
    x = f"tf.reshape(tf.range({size * size * 2}.), [1, {size}, {size}, 2]) / 10"
    for padding in ("SAME", "VALID"):
        for stride in (1, 2, 3):
            case(
                f"tf.nn.conv2d({x}, tf.reshape(tf.range(54.), [3, 3, 2, 3]), {stride}, {padding!r})"
            )
            case(f"tf.nn.max_pool2d({x}, 2, {stride}, {padding!r})")
            case(f"tf.nn.avg_pool2d({x}, 3, {stride}, {padding!r})")
            case(
                f"tf.nn.depthwise_conv2d({x}, tf.reshape(tf.range(24.), [2, 3, 2, 2]), "
                f"[1, {stride}, {stride}, 1], {padding!r})"
            )
        case(
            f"tf.nn.conv2d({x}, tf.reshape(tf.range(24.), [2, 2, 2, 3]), [1, 1, 1, 1], {padding!r}, "
            "dilations=2)"
        )
        case(f"tf.nn.max_pool({x}, [1, 3, 2, 1], [1, 2, 1, 1], {padding!r})")
for padding, shape in (("SAME", [1, 6, 6, 2]), ("VALID", [1, 7, 7, 2]), ("SAME", [1, 5, 5, 2])):
    case(
        "tf.nn.conv2d_transpose(tf.reshape(tf.range(27.), [1, 3, 3, 3]), "
        f"tf.reshape(tf.range(54.), [3, 3, 2, 3]), {shape}, 2, {padding!r})"
    )
case(
    "tf.nn.conv1d(tf.reshape(tf.range(10.), [1, 5, 2]), tf.reshape(tf.range(12.), [3, 2, 2]), 2, 'SAME')"
)
case("tf.nn.conv3d(tf.ones([1, 3, 3, 3, 1]), tf.ones([2, 2, 2, 1, 2]), [1, 1, 1, 1, 1], 'SAME')")
case("tf.nn.conv2d(tf.ones([1, 3, 3, 2]), tf.ones([2, 2, 3, 1]), 1, 'SAME')")
case("tf.nn.avg_pool1d(tf.reshape(tf.range(10.), [1, 5, 2]), 2, 2, 'SAME')")
case(
    "tf.nn.conv2d(tf.ones([1, 3, 3, 2]), tf.ones([2, 2, 2, 1]), 1, [[0, 0], [1, 0], [0, 2], [0, 0]])"
)
case(
    "tf.nn.separable_conv2d(tf.ones([1, 4, 4, 2]), tf.ones([2, 2, 2, 2]), tf.ones([1, 1, 4, 3]), "
    "[1, 1, 1, 1], 'SAME')"
)


def weights(tf: Any, result: Any) -> Any:
    """A different weight for each element of a result, so that no gradient cancels."""
    count = tf.cast(tf.size(result), tf.float32)
    return tf.reshape(tf.cos(tf.range(count)), tf.shape(result))


# Gradients: of the sum of weighted results, by every argument.
def gradient(text: str, *arguments: Any) -> None:
    """A case: the gradients of an expression of x (and y)."""
    function = eval(f"lambda tf, x, y: {text}", {"np": np})

    def run(tf: Any) -> Any:
        given = [tf.constant(a, tf.float32) for a in arguments]
        with tf.GradientTape() as tape:
            tape.watch(given)
            made = function(tf, given[0], given[-1])
            parts = made if isinstance(made, (list, tuple)) else [made]
            total = tf.add_n([tf.reduce_sum(p * weights(tf, p)) for p in parts])
        found = tape.gradient(total, given)
        return [None if g is None else tf.convert_to_tensor(g) for g in found]

    CASES[f"gradient of {text} at {arguments}"] = run


POINTS = [[0.3, -1.2, 2.0], [0.0, 1.0, -0.5]]
POSITIVE = [[0.3, 1.2, 2.0], [0.1, 1.0, 3.5]]
INSIDE = [[0.3, -0.2, 0.7]]
for word in (
    *("sin", "cos", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "exp", "sigmoid", "square"),
    *("negative", "abs", "sign", "floor", "round", "math.expm1", "math.erf", "math.erfc"),
    *("nn.relu", "nn.relu6", "nn.elu", "nn.selu", "nn.gelu", "nn.silu", "nn.softplus"),
    *("nn.softsign", "nn.leaky_relu", "nn.softmax", "nn.log_softmax", "nn.crelu", "nn.l2_loss"),
    *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "math.reduce_std"),
    *("math.reduce_variance", "reduce_logsumexp", "math.log_sigmoid", "linalg.l2_normalize"),
    *("cumsum", "transpose", "identity", "stop_gradient", "sort"),
):
    gradient(f"tf.{word}(x)", POINTS)
for word in ("sqrt", "math.rsqrt", "math.log", "math.log1p", "math.reciprocal", "math.lgamma",
             "math.digamma", "norm", "math.reduce_euclidean_norm", "math.cumprod"):  # fmt: skip
    gradient(f"tf.{word}(x)", POSITIVE)
for word in ("asin", "acos", "atanh"):
    gradient(f"tf.{word}(x)", INSIDE)
for word in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "pow",
             "math.squared_difference", "math.atan2", "math.xlogy", "math.xdivy",
             "math.divide_no_nan", "math.floormod"):  # fmt: skip
    gradient(f"tf.{word}(x, y)", POSITIVE, [[1.5, 1.2, 0.7]])
for text in (
    *("tf.reduce_sum(x, 0)", "tf.reduce_max(x, 1)", "tf.concat([x, x * x], 1)", "tf.stack([x, x])"),
    *("tf.split(x, 3, 1)[1]", "tf.pad(x, [[1, 0], [0, 2]], 'REFLECT')", "tf.tile(x, [2, 1])"),
    *("tf.gather(x, [1, 1, 0])", "tf.gather_nd(x, [[0, 1], [1, 2]])", "tf.reverse(x, [0])"),
    *("tf.clip_by_norm(x, 1.0)", "tf.clip_by_value(x, -0.5, 1.0)", "tf.where(x > 0, x * 2, x / 3)"),
    *("tf.einsum('ij,kj->ik', x, x)", "tf.matmul(x, x, transpose_b=True)", "x[:, ::-2] * x[0, 0]"),
    *("tf.nn.moments(x, [0])", "tf.math.top_k(x, 2).values", "tf.repeat(x, 2, axis=1)"),
    *("tf.scatter_nd([[1], [0]], x, [3, 3])", "tf.boolean_mask(x, [True, False])"),
    *("tf.tensor_scatter_nd_update(x, [[0]], x[1:] * 3)", "tf.roll(x, 1, 1)", "tf.unstack(x)[1]"),
    *("tf.map_fn(lambda r: r * r, x)", "tf.broadcast_to(x[:, None], [2, 2, 3])"),
    *("tf.linalg.diag(x)", "tf.linalg.trace(tf.matmul(x, x, transpose_a=True))"),
    *("tf.math.segment_sum(x, [0, 0])", "tf.math.unsorted_segment_max(x, [1, 0], 2)"),
    *("tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), (0, x))[1]",),
    *(
        "tf.cond(tf.constant(True), lambda: x * 2, lambda: x)",
        "tf.image.flip_left_right(x[..., None])",
    ),
):
    gradient(text, POINTS)
for text in (
    *("tf.linalg.inv(x)", "tf.linalg.det(x)", "tf.linalg.cholesky(x)", "tf.linalg.solve(x, x * x)"),
    *("tf.linalg.logdet(x)", "tf.linalg.eigvalsh(x)", "tf.linalg.svd(x, compute_uv=False)"),
):
    gradient(text, [[2.0, 0.5], [0.5, 1.0]])
