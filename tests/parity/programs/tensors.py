"""Programs about tensors: making them, what they are, converting and writing them."""

from __future__ import annotations

from typing import Any

import numpy as np


def makers(torch: Any) -> Any:
    return [
        torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        torch.as_tensor([1, 2, 3]),
        torch.from_numpy(np.arange(3.0)),
        torch.frombuffer(bytearray(range(8)), dtype=torch.int16),
        torch.FloatTensor([1, 2]),
        torch.LongTensor([[1, 2]]),
        torch.ByteTensor([1, 255]),
        torch.Tensor([3, 4]),
        torch.Tensor(2, 3).shape,
        torch.device("cpu"),
        str(torch.device("cuda:1")),
        torch.Size([2, 3]),
        torch.is_tensor(torch.zeros(1)),
        torch.is_tensor(3),
        torch.pi,
    ]


def dtypes(torch: Any) -> Any:
    kinds = [
        torch.float16, torch.float32, torch.float64, torch.int8, torch.int16, torch.int32,
        torch.int64, torch.uint8, torch.bool, torch.bfloat16, torch.half, torch.long, torch.int,
        torch.float, torch.double,
    ]  # fmt: skip
    facts = [[str(d), d.is_floating_point, d.itemsize, isinstance(d, torch.dtype)] for d in kinds]
    limits = torch.finfo(torch.float32)
    formats = [torch.channels_last, torch.preserve_format, torch.contiguous_format, torch.strided]
    return [
        facts,
        [limits.max, limits.min, limits.eps, limits.tiny, limits.bits],
        [str(form) for form in formats],
        torch.get_default_dtype(),
        str(torch.get_default_device()),
    ]


def facts(torch: Any) -> Any:
    x = torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2)
    return [
        x.shape,
        x.size(),
        x.size(-1),
        x.dim(),
        x.ndim,
        x.ndimension(),
        x.numel(),
        x.nelement(),
        x.element_size(),
        x.stride(),
        x.dtype,
        x.device,
        x.is_cuda,
        x.requires_grad,
        x.is_floating_point(),
        x.is_contiguous(),
        x.contiguous().is_contiguous(memory_format=torch.contiguous_format),
        x.data_ptr() == x.data.data_ptr(),
        torch._shape_as_tensor(x),
        x.type(),
        torch.swapaxes(x, 0, 1).shape,
    ]


def conversions(torch: Any) -> Any:
    x = torch.tensor([[1.5, -2.25], [0.0, 7.0]])
    return [
        x.numpy(),
        x.tolist(),
        x.double(),
        x.half(),
        x.float(),
        x.long(),
        x.byte(),
        x.bool(),
        x.int(),
        x.cpu(),
        x.to(torch.float64),
        x.to("cpu", torch.int64),
        x.to(torch.zeros(1, dtype=torch.int32)),
        x.type(torch.float64),
        x.type_as(torch.zeros(1, dtype=torch.int64)),
        x.T,
        x.mT,
        x.detach().requires_grad,
        x.clone().detach_(),
        x @ x,
        x.__matmul__(x),
        x.new_tensor([1, 2]),
        x.new_empty((2, 0)).shape,
        x.new(2, 3).shape,
        x.pin_memory().is_pinned() if torch.cuda.is_available() else None,
    ]


def writes(torch: Any) -> Any:
    x = torch.arange(6.0).reshape(2, 3)
    y = x.clone()
    z = x.clone()
    return [
        y.zero_(),
        z.copy_(torch.arange(3)),
        x.clone().ge_(2.0),
        x.clone().clip(1, 4),
        torch.clip(x, 1, 4),
        torch.relu(x - 2),
        (x - 2).relu(),
        x.clone().fill_(3),
        x.clone().mul_(2).add_(1),
        torch.divide(x, 2),
        torch.concat([x, x]),
        torch.where(x > 2, x, -x),
        torch.where(x > 2),
        torch.bitwise_and(torch.tensor([6, 5]), torch.tensor([3, 4])),
        torch.einsum("ij,kj->ik", x, x),
        torch.arcsin(x / 6),
        torch.arccos(x / 6),
        torch.arctan(x),
        torch.special.expm1(x),
        torch.view_as_real(torch.complex(x, x)),
        torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense(),
        torch.spmm(torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)), x.t()),
        x.to_sparse().indices(),
        x.to_sparse().values(),
    ]


def errors_of_devices(torch: Any) -> Any:
    return torch.zeros(1).cuda() if not torch.cuda.is_available() else None


def resizing(torch: Any) -> Any:
    x = torch.arange(6.0)
    return [x.resize(2, 3), torch.arange(6.0).resize_(2, 2), x.reshape_as(torch.ones(3, 2))]


class _Marked:
    """What a subclass of tensors is marked with."""

    mark = 7


def subclasses(torch: Any) -> Any:
    class Own(_Marked, torch.Tensor):
        pass

    own = torch.arange(3.0).as_subclass(Own)
    return [type(own).__name__, own.mark, isinstance(own + 1, torch.Tensor), (own * 2).sum()]


def gradients(torch: Any) -> Any:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    y = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    (slope,) = torch.autograd.grad((y**3).sum(), y, create_graph=True)
    with torch.no_grad():
        quiet = (x * 2).requires_grad
        with torch.enable_grad():
            loud = (x * 2).requires_grad
    with torch.inference_mode():
        inferred = (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        off = (x * 2).requires_grad
    x.grad.zero_()
    return [x.grad, slope, torch.autograd.grad(slope.sum(), y), quiet, loud, inferred, off]


def own_functions(torch: Any) -> Any:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 3 * x * x

    x = torch.tensor([1.0, -2.0], requires_grad=True)
    Cube.apply(x).sum().backward()
    return x.grad


def mapped(torch: Any) -> Any:
    x = torch.arange(6.0).reshape(3, 2)
    return [
        torch.vmap(lambda row: row.sum() * row)(x),
        torch.vmap(torch.dot, in_dims=(0, None))(x, torch.ones(2)),
    ]
