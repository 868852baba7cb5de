"""What TensorFlow calls the operations of a graph where a program gives no name.

Programs fetch and feed by such names ("Softmax:0"). A function that is not listed has its own name,
each word with a capital.
"""

from __future__ import annotations

#: Function: the name of its operation, which is also its kind unless there is one in `KINDS`.
NAMES = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "truediv": "truediv", "divide": "truediv",
    "floordiv": "floordiv", "floormod": "FloorMod", "pow": "Pow", "negative": "Neg",
    "matmul": "MatMul", "transpose": "transpose", "constant": "Const",
    "convert_to_tensor": "Const", "zeros": "zeros", "ones": "ones", "zeros_like": "zeros_like",
    "ones_like": "ones_like", "eye": "eye", "range": "range", "linspace": "LinSpace",
    "one_hot": "one_hot", "concat": "concat", "stack": "stack", "unstack": "unstack",
    "split": "split", "getitem": "strided_slice", "boolean_mask": "boolean_mask",
    "gather": "GatherV2", "top_k": "TopKV2", "where": "SelectV2", "slice_": "Slice",
    "reduce_sum": "Sum", "reduce_mean": "Mean", "reduce_max": "Max", "reduce_min": "Min",
    "reduce_prod": "Prod", "reduce_all": "All", "reduce_any": "Any", "argmax": "ArgMax",
    "argmin": "ArgMin", "conv2d": "Conv2D", "conv1d": "conv1d", "conv3d": "Conv3D",
    "max_pool2d": "MaxPool2d", "dropout": "dropout", "embedding_lookup": "embedding_lookup",
    "l2_loss": "L2Loss", "l2_normalize": "l2_normalize", "clip_by_value": "clip_by_value",
    "cond": "cond", "while_loop": "while", "uniform": "random_uniform",
    "normal": "random_normal", "truncated_normal": "truncated_normal",
    "softmax_cross_entropy_with_logits": "softmax_cross_entropy_with_logits",
    "sigmoid_cross_entropy_with_logits": "logistic_loss",
    "sparse_softmax_cross_entropy_with_logits": "SparseSoftmaxCrossEntropyWithLogits",
    "_never": "Placeholder", "_nothing": "NoOp", "placeholder_with_default":
    "PlaceholderWithDefault", "read": "Identity", "py_function": "EagerPyFunc",
    "numpy_function": "PyFunc",
}  # fmt: skip

#: Kinds of operations whose name by default is another.
KINDS = {
    "add": "AddV2", "truediv": "RealDiv", "divide": "RealDiv", "floordiv": "FloorDiv",
    "transpose": "Transpose", "zeros": "Fill", "ones": "Fill", "zeros_like": "ZerosLike",
    "ones_like": "OnesLike", "range": "Range", "one_hot": "OneHot", "concat": "ConcatV2",
    "stack": "Pack", "unstack": "Unpack", "split": "Split", "getitem": "StridedSlice",
    "cond": "If", "while_loop": "While",
}  # fmt: skip


def _plain(function: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in function.strip("_").split("_"))


def name_of(function: str) -> str:
    """The name of an operation that has been given none."""
    return NAMES.get(function) or _plain(function)


def kind_of(function: str) -> str:
    """The kind (`Operation.type`) of an operation."""
    return KINDS.get(function) or name_of(function)
