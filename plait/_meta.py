"""Tensors of the meta device: a shape, a dtype, a place in autograd, and no values.

Operations on them are inferred, not recorded; writes and draws into them do nothing. A gradient has
the type of its leaf, so that `backward` needs to know the leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from plait._tensor import Tensor, parse_to
from plait._types import META, device, is_meta, require_cpu
from plait._valueless import ValuelessTensor
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import ShapeError, error
from plait.core.ir.node import Node, Spec, Unneeded
from plait.core.ir.op import Op, binds_first
from plait.core.lazy.capture import forced
from plait.core.lazy.modes import modes
from plait.core.lazy.views import Layout
from plait.core.ops.view import BROADCAST

_NO_DATA = "Cannot copy out of meta tensor; no data!"


class _MetaGrad:
    """The origin of a result: where it came from, and not how."""

    __slots__ = ("origins",)

    def __init__(self, origins: tuple[Any, ...]) -> None:
        #: Grad nodes, and leaves that require a gradient.
        self.origins = origins

    def name(self) -> str:
        return "MetaBackward"

    def __getattr__(self, name: str) -> NoReturn:
        raise error(
            NotImplementedError,
            "derivatives of meta tensors are not built in Plait yet, but for backward()",
        )

    def leaves(self) -> Iterable[Any]:
        """The leaves that a gradient reaches, each once."""
        seen: set[int] = set()
        waiting: list[Any] = [self]
        while waiting:
            origin = waiting.pop()
            if id(origin) in seen:
                continue
            seen.add(id(origin))
            if isinstance(origin, _MetaGrad):
                waiting.extend(origin.origins)
            else:
                yield origin


class MetaTensor(ValuelessTensor):
    """A tensor on the meta device."""

    is_meta = True
    is_cpu = False
    refusal = _NO_DATA

    @classmethod
    def of_type(cls, shape: tuple[int, ...], dtype: Any) -> Any:
        forced("a tensor of the meta device is made")  # nothing is computed, so nothing compiled
        return super().of_type(shape, dtype)

    # -- recording ------------------------------------------------------------------------------

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """The type of a result. Tensors of the CPU may take part as numbers and as indices."""
        specs: list[Any] = []
        for x in inputs:
            if type(x) is Unneeded:
                return x.bind(op, inputs, attrs)
            if isinstance(x, Tensor) and not isinstance(x, MetaTensor) and not _may_join(x):
                raise error(
                    RuntimeError,
                    f"Tensor on device cpu is not on the expected device meta! ({op.name} of "
                    f"shapes {[list(i.shape) for i in inputs]})",
                )
            specs.append(x if type(x) is Node else Spec(tuple(x.shape), x.dtype))
        shape, dtype = op.infer(*specs, **attrs)
        grad = self._grad_of(inputs) if op.has_vjp and modes.grad_enabled else None
        if not isinstance(dtype, tuple):
            return _result(shape, dtype, grad)
        return tuple([_result(s, d, grad) for s, d in zip(shape, dtype)])

    @staticmethod
    def _grad_of(inputs: tuple[Any, ...]) -> _MetaGrad | None:
        origins = [x._origin() for x in inputs if isinstance(x, MetaTensor) and x.requires_grad]
        return _MetaGrad(tuple(origins)) if origins else None

    def _origin(self) -> Any:
        return self if self._grad_fn is None else self._grad_fn

    def view_through(self, op: Op, *extra: Node, layout: Layout | None = None, **attrs: Any) -> Any:
        return self.bind(op, (self, *extra), attrs)

    def assign(self, result: Any) -> MetaTensor:
        """Nothing is written; shapes must fit, and autograd follows."""
        if modes.grad_enabled:
            self._refuse_leaf(self)
        if tuple(result.shape) != tuple(self._shape):
            raise error(
                ShapeError,
                f"in-place write: output with shape {list(self._shape)} doesn't match the "
                f"broadcast shape {list(result.shape)}",
            )
        if modes.grad_enabled and isinstance(result, MetaTensor) and result.requires_grad:
            self._grad_fn = _MetaGrad((result._origin(),))
        return self

    def adopt(self, other: Any) -> None:
        """Take over the type of another meta tensor. Raises RuntimeError for any other."""
        if not isinstance(other, MetaTensor):
            raise error(
                RuntimeError,
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
                "incompatible tensor type: one is on the meta device. Make a new parameter "
                "(Module.to_empty does)",
            )
        self._shape, self._dtype = other._shape, other._dtype

    def become(self, view: Any) -> None:
        self._shape = view._shape

    def detached(self, silent: bool = False) -> Any:
        return MetaTensor.of_type(self._shape, self._dtype)

    def frozen(self) -> Any:
        return _result(self._shape, self._dtype, self._grad_fn)

    def edge(self) -> Any:
        if self._grad_fn is not None:
            return self._grad_fn, 0
        return (self, 0) if self._requires_grad else None

    def backward(self, gradient: Any = None, *args: Any, **kwargs: Any) -> None:
        """Give every leaf a gradient of its type. Raises RuntimeError where PyTorch does."""
        if not self.requires_grad:
            raise error(
                RuntimeError,
                "element 0 of tensors does not require grad and does not have a grad_fn",
            )
        if gradient is None and self.numel() != 1:
            raise error(RuntimeError, "grad can be implicitly created only for scalar outputs")
        for leaf in _MetaGrad((self._origin(),)).leaves():
            leaf._grad = MetaTensor.of_type(leaf._shape, leaf._dtype)

    # -- values ---------------------------------------------------------------------------------

    def value(self) -> NoReturn:
        raise error(NotImplementedError, _NO_DATA)

    def compute(self) -> NoReturn:
        raise error(NotImplementedError, _NO_DATA)

    def export(self) -> NoReturn:
        raise error(NotImplementedError, _NO_DATA)

    def item(self) -> NoReturn:
        raise error(RuntimeError, "Tensor.item() cannot be called on meta tensors")

    def numpy(self, *, force: bool = False) -> NoReturn:
        raise error(
            TypeError,
            "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first.",
        )

    def data_ptr(self) -> int:
        """0: there is no memory."""
        return 0

    def __bool__(self) -> bool:
        return self.item()

    def __repr__(self, **options: Any) -> str:
        parts = ["...", "device='meta'", f"size={tuple(self._shape)}"]
        if self._dtype not in (dtypes.float32, dtypes.int64, dtypes.bool_):
            parts.append(f"dtype={self._dtype}")
        if self.requires_grad:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    # -- conversion -----------------------------------------------------------------------------

    @property
    def device(self) -> device:
        return META

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Another dtype. Raises NotImplementedError for another device."""
        where, dtype, _ = parse_to(args, kwargs)
        if where is not None and not is_meta(where):
            require_cpu(where)
            raise error(NotImplementedError, _NO_DATA)
        return super().to(dtype) if dtype is not None else self

    def cpu(self, memory_format: Any = None) -> NoReturn:
        raise error(NotImplementedError, _NO_DATA)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            made = type(self).of_type(self._shape, self._dtype)
            made._requires_grad = self._requires_grad
            memo[id(self)] = made
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (type(self), tuple(self._shape), self._dtype.name, self._requires_grad)


def _rebuild(kind: Any, shape: tuple[int, ...], dtype: str, requires_grad: bool) -> Any:
    """What a pickled meta tensor calls."""
    made = kind.of_type(shape, dtypes.BY_NAME[dtype])
    made._requires_grad = requires_grad
    return made


def _unchanged(self: MetaTensor, *args: Any, **kwargs: Any) -> MetaTensor:
    """Itself: there is nothing to fill."""
    return self


for _name in (
    *("uniform_", "normal_", "random_", "bernoulli_", "exponential_"),
    *("geometric_", "cauchy_", "log_normal_"),
):
    setattr(MetaTensor, _name, _unchanged)
binds_first.add(MetaTensor)


def _may_join(x: Tensor) -> bool:
    """Whether a tensor of the CPU is an index, or a number (maybe spread over a shape by now)."""
    if not x.ndim or not x.dtype.is_differentiable:
        return True
    node = x.read()
    spread = node.op is BROADCAST and node.inputs and not node.inputs[0].shape
    return bool(spread)


def _result(shape: tuple[int, ...], dtype: DType, grad: _MetaGrad | None) -> MetaTensor:
    made = MetaTensor.of_type(shape, dtype)
    if grad is not None and dtype.is_differentiable:
        made._grad_fn = grad
    return made


def meta(shape: Any, dtype: DType, requires_grad: bool = False) -> Any:
    """A new meta tensor."""
    made = MetaTensor.of_type(tuple(shape), dtype)
    return made.requires_grad_() if requires_grad else made
