"""Bad input to nn.functional: each error's kind, PyTorch's wording, and the user's line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import plait as torch
import plait.nn.functional as F

ones = torch.ones


def long(*values: int) -> Any:
    """Class labels."""
    return torch.tensor(list(values))


FAULTS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: F.linear(ones(64, 30), ones(10, 20)),
        RuntimeError,
        "mat1 and mat2 shapes cannot be multiplied (64x30 and 20x10)",
    ),
    (
        lambda: F.linear(ones(2, 3), ones(4, 3), ones(4).double()),
        RuntimeError,
        "self and mat2 must have the same dtype, but got Double and Float",
    ),
    (
        lambda: F.linear([1.0], ones(4, 3)),
        TypeError,
        "argument 'input' (position 1) must be Tensor",
    ),
    (
        lambda: F.conv2d(ones(4, 3, 9, 9), ones(8, 1, 3, 3)),
        RuntimeError,
        "Given groups=1, weight of size [8, 1, 3, 3], expected input[4, 3, 9, 9] to have 1 "
        "channels, but got 3 channels instead",
    ),
    (
        lambda: F.conv2d(ones(3, 9), ones(8, 3, 3, 3)),
        RuntimeError,
        "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [3, 9]",
    ),
    (
        lambda: F.conv2d(ones(1, 3, 2, 2), ones(8, 3, 3, 3)),
        RuntimeError,
        "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size "
        "can't be greater than actual input size",
    ),
    (
        lambda: F.conv2d(ones(1, 3, 9, 9).double(), ones(8, 3, 3, 3)),
        RuntimeError,
        "expected scalar type Double but found Float",
    ),
    (
        lambda: F.conv2d(ones(1, 3, 9, 9), ones(8, 3, 3, 3), padding="same", stride=2),
        RuntimeError,
        "padding='same' is not supported for strided convolutions",
    ),
    (lambda: F.conv1d(ones(1, 1, 3), ones(1, 1, 1), stride=1.5), TypeError, "tuple of ints"),
    (
        lambda: F.conv_transpose2d(ones(1, 3, 9, 9), ones(3, 8, 3, 3), output_padding=1),
        RuntimeError,
        "output padding must be smaller than either stride or dilation",
    ),
    (
        lambda: F.max_pool2d(ones(1, 3, 2, 2), 3),
        RuntimeError,
        "Given input size: (3x2x2). Calculated output size: (3x0x0). Output size is too small",
    ),
    (
        lambda: F.max_pool2d(ones(1, 3, 9, 9), 3, padding=2),
        RuntimeError,
        "pad should be at most half of effective kernel size",
    ),
    (
        lambda: F.max_unpool2d(ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 9), 2).numpy(),
        RuntimeError,
        "Found an invalid max index: 9 (output volumes are of size 2x2)",
    ),
    (
        lambda: F.elu(torch.arange(3)),
        NotImplementedError,
        "\"elu_cpu\" not implemented for 'Long'",
    ),
    (
        lambda: F.softmax(torch.arange(3), 0),
        NotImplementedError,
        "\"softmax_lastdim_kernel_impl\" not implemented for 'Long'",
    ),
    (lambda: F.softmax(ones(3), 1), IndexError, "Dimension out of range"),
    (lambda: F.glu(ones(3, 3)), RuntimeError, "Halving dimension must be even"),
    (
        lambda: F.batch_norm(ones(1, 3), None, None, training=True),
        ValueError,
        "Expected more than 1 value per channel when training, got input size torch.Size([1, 3])",
    ),
    (
        lambda: F.layer_norm(ones(2, 3), (4,)),
        RuntimeError,
        "Given normalized_shape=[4], expected input with shape [*, 4], but got input of size[2, 3]",
    ),
    (
        lambda: F.group_norm(ones(2, 6), 4),
        RuntimeError,
        "Expected number of channels in input to be divisible by num_groups",
    ),
    (
        lambda: F.dropout(ones(3), 1.5),
        ValueError,
        "dropout probability has to be between 0 and 1, but got 1.5",
    ),
    (
        lambda: F.cross_entropy(ones(4, 5), long(0, 1, 2, 7)).item(),
        IndexError,
        "Target 7 is out of bounds.",
    ),
    (
        lambda: F.cross_entropy(ones(4, 5), long(0, 1, 2)),
        ValueError,
        "Expected input batch_size (4) to match target batch_size (3).",
    ),
    (
        lambda: F.cross_entropy(ones(4, 5, 3), torch.zeros(4, 4).long()),
        RuntimeError,
        "Expected target size [4, 3], got [4, 4]",
    ),
    (
        lambda: F.cross_entropy(ones(4, 5), ones(4)),
        RuntimeError,
        "expected target dtype to be Long or Byte, but got Float",
    ),
    (
        lambda: F.cross_entropy(ones(2, 5), long(0, 1), weight=ones(4)),
        RuntimeError,
        "weight tensor should be defined either for all 5 classes or no classes",
    ),
    (
        lambda: F.cross_entropy(ones(2, 5), long(0, 1), reduction="foo"),
        ValueError,
        "foo is not a valid value for reduction",
    ),
    (
        lambda: F.binary_cross_entropy(torch.tensor([1.5]), ones(1)).item(),
        RuntimeError,
        "all elements of input should be between 0 and 1",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(ones(4), ones(5)),
        ValueError,
        "Target size (torch.Size([5])) must be the same as input size (torch.Size([4]))",
    ),
    (lambda: F.mse_loss(ones(4), ones(5)), RuntimeError, "The size of tensor a (4) must match"),
    (
        lambda: F.embedding(long(4), ones(4, 5)).numpy(),
        IndexError,
        "index out of range in self",
    ),
    (
        lambda: F.embedding(ones(3), ones(4, 5)),
        RuntimeError,
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
        "Long, Int; but got torch.FloatTensor instead",
    ),
    (
        lambda: F.embedding(long(1), ones(4, 5), padding_idx=4),
        AssertionError,
        "Padding_idx must be within num_embeddings",
    ),
    (
        lambda: F.one_hot(long(3), 2).numpy(),
        RuntimeError,
        "Class values must be smaller than num_classes.",
    ),
    (lambda: F.pad(ones(3, 3), (1,)), RuntimeError, "Padding length must be divisible by 2"),
    (
        lambda: F.pad(ones(1, 3, 3), (3, 1), mode="reflect"),
        RuntimeError,
        "Padding size should be less than the corresponding input dimension",
    ),
    (
        lambda: F.interpolate(ones(1, 2, 3), size=3, mode="bilinear"),
        NotImplementedError,
        "Got 3D input, but bilinear mode needs 4D input",
    ),
    (
        lambda: F.scaled_dot_product_attention(ones(3, 4), ones(3, 4), ones(3, 4).double()),
        RuntimeError,
        "Expected query, key, and value to have the same dtype",
    ),
    (lambda: F.ctc_loss(ones(1), ones(1), (1,), (1,)), RuntimeError, "ctc_loss"),
]


@pytest.mark.filterwarnings("ignore:Using a target size")  # comes before the error
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[2][:40])
def test_fault(fault: tuple[Callable[[], Any], type[Exception], str]) -> None:
    call, kind, text = fault
    with pytest.raises(kind, match=re.escape(text)) as caught:
        call()
    assert "test_functional_errors.py:" in str(caught.value)
