"""Cases for both TensorFlows: convolution and pooling, over their options."""

# ruff: noqa: E501  # one case to a line, whatever its length

from __future__ import annotations

from tests.tf.cases import register

CASES, case = register()

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
