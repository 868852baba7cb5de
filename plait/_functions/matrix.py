"""Products of matrices, vectors and tensors."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from plait._autocast import lower
from plait._autocast import state as autocast
from plait._functions import pointwise as pw
from plait._functions.common import public, tensor_argument
from plait._promotion import promote_types
from plait._tensor import Tensor, scalar_type
from plait.core.functional import contraction
from plait.core.functional import einsum as summation
from plait.core.functional.axes import normal_axis
from plait.core.functional.broadcasting import broadcast_shapes
from plait.core.ir.dtypes import DType, bfloat16, float16, float32
from plait.core.ir.errors import error
from plait.core.ops.elementwise import ALIAS, cast
from plait.core.ops.view import broadcast, reshape

#: How C++ spells the element types: PyTorch's messages of matrix products use these words.
_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short",
    "int32": "int", "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "float32": "float", "float64": "double", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}  # fmt: skip


def _c_name(dtype: DType) -> str:
    return _C_NAMES.get(dtype.name, dtype.name)


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape)


def _require_number(name: str, value: Tensor) -> None:
    if value.dtype.kind == "b":
        raise error(
            NotImplementedError,
            f"\"{name}\" not implemented for 'Bool': received shape {list(value.shape)}; convert "
            "to a number dtype first",
        )


def _require_same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        raise error(
            RuntimeError,
            f"expected m1 and m2 to have the same dtype, but got: {_c_name(a.dtype)} != "
            f"{_c_name(b.dtype)} ({name} received {a.dtype.name}{list(a._shape)} and "
            f"{b.dtype.name}{list(b._shape)})",
        )


def _require_same_scalar(name: str, a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        raise error(
            RuntimeError,
            f"expected scalar type {scalar_type(a.dtype)} but found {scalar_type(b.dtype)} in "
            f"{name}",
        )


def _cannot_multiply(name: str, rows: Sequence[int], columns: Sequence[int]) -> Exception:
    return error(
        RuntimeError,
        f"mat1 and mat2 shapes cannot be multiplied ({_sizes(rows)} and {_sizes(columns)}) in "
        f"{name}",
    )


def _folded(shape: Sequence[int]) -> tuple[int, int]:
    """The shape as one matrix: all axes but the last as rows."""
    rows = 1
    for extent in shape[:-1]:
        rows *= extent
    return rows, shape[-1]


def _require_product(a: Tensor, b: Tensor, name: str = "matmul") -> None:
    """Raise PyTorch's error unless `a @ b` is defined."""
    sa, sb = a._shape, b._shape
    if not sa or not sb:
        raise error(
            RuntimeError,
            f"both arguments to matmul need to be at least 1D, but they are {len(sa)}D and "
            f"{len(sb)}D",
        )
    if len(sa) == len(sb) == 1:
        return _require_dot("dot", a, b)
    _require_same_dtype(name, a, b)
    inner = sb[0] if len(sb) == 1 else sb[-2]
    if sa[-1] == inner:
        if len(sa) > 2 and len(sb) > 2:
            broadcast_shapes("matmul", sa[:-2], sb[:-2])
        return None
    if len(sb) == 1:
        rows = _folded(sa)
        raise error(
            RuntimeError,
            f"size mismatch, got input ({rows[0]}), mat ({_sizes(rows)}), vec ({inner}): "
            f"{name} received shapes {list(sa)} and {list(sb)}",
        )
    if len(sb) > 2:
        batch = _folded((*broadcast_shapes("matmul", sa[:-2], sb[:-2]), 1))[0]
        raise error(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {sa[-1]}] "
            f"but got: [{batch}, {inner}]. (matmul received shapes {list(sa)} and {list(sb)})",
        )
    raise _cannot_multiply(name, _folded(sa), sb)


def _require_dot(name: str, a: Tensor, b: Tensor) -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise error(
            RuntimeError, f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors in {name}"
        )
    if a.dtype is not b.dtype:
        raise error(
            RuntimeError,
            f"{name} : expected both vectors to have same dtype, but found {scalar_type(a.dtype)} "
            f"and {scalar_type(b.dtype)} ({a.dtype.name} and {b.dtype.name})",
        )
    if a._shape != b._shape:
        n, m = a._shape[0], b._shape[0]
        raise error(
            RuntimeError,
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same "
            f"number of elements, but got {n} and {m} elements respectively in {name}",
        )


def _sparse_product(name: str, input: Tensor, other: Tensor) -> Tensor:
    from plait.sparse import product  # not at the top: few programs need it

    return product(name, input, other)


# -- plain products ---------------------------------------------------------------------------


@public(pure=True)
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; vectors count as a row or column, leading axes broadcast.

    Raises RuntimeError for shapes that do not fit and for different dtypes.
    """
    tensor_argument("matmul", "other", other)
    if input._has_places or other._has_places:
        return _sparse_product("matmul", input, other)
    input, other = lower(input, other)
    _require_product(input, other)
    _require_number("addmm_impl_cpu_", input)
    return contraction.matmul(input, other)


@public
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: (n, m) by (m, p)."""
    tensor_argument("mm", "mat2", mat2)
    if not (input._has_places or mat2._has_places):
        input, mat2 = lower(input, mat2)
    if input.ndim != 2 or mat2.ndim != 2:
        which = "self" if input.ndim != 2 else "mat2"
        raise error(
            RuntimeError,
            f"{which} must be a matrix: mm received shapes {list(input.shape)} and "
            f"{list(mat2.shape)}",
        )
    _require_product(input, mat2, "mm")
    return matmul(input, mat2)


@public(pure=True)
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices: (b, n, m) by (b, m, p)."""
    tensor_argument("bmm", "mat2", mat2)
    input, mat2 = lower(input, mat2)
    for i, x in enumerate((input, mat2), 1):
        if x.ndim != 3:
            raise error(
                RuntimeError, f"batch{i} must be a 3D tensor, received shape {list(x.shape)} in bmm"
            )
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise error(
            RuntimeError,
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{input.shape[0]}, {input.shape[2]}] but got: [{mat2.shape[0]}, "
            f"{mat2.shape[1]}]. (bmm "
            f"received shapes {list(input._shape)} and {list(mat2._shape)})",
        )
    _require_same_scalar("bmm", input, mat2)
    _require_number("bmm", input)
    return contraction.matmul(input, mat2)


@public
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector: (n, m) by (m,)."""
    tensor_argument("mv", "vec", vec)
    if input.ndim != 2 or vec.ndim != 1:
        raise error(
            RuntimeError,
            f"vector + matrix @ vector expected, got {vec.ndim}, {input.ndim}, {vec.ndim} in mv: "
            f"shapes {list(input._shape)} and {list(vec._shape)}",
        )
    if input.dtype is not vec.dtype:
        b, a = scalar_type(vec.dtype), scalar_type(input.dtype)
        raise error(
            RuntimeError,
            f"addmv input tensors must have the same dtype, but got {b}, {a}, and {b} in mv",
        )
    _require_product(input, vec, "mv")
    if input._has_places or vec._has_places:
        return _sparse_product("mv", input, vec)
    _require_number("addmm_impl_cpu_", input)
    return contraction.matmul(input, vec)


@public
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of products of two vectors."""
    tensor_argument("dot", "tensor", tensor)
    _require_dot("dot", input, tensor)
    _require_number("dot", input)
    return contraction.matmul(input, tensor)


@public
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products of two vectors, of the conjugate of the first."""
    tensor_argument("vdot", "other", other)
    _require_dot("vdot", input, other)
    return contraction.matmul(pw.conjugate(input), other)


@public
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last axes; with a 0-d operand, the plain product."""
    if not input._shape or not other._shape:
        return pw.mul(input, other)
    if input._shape[-1] != other._shape[-1]:
        raise error(
            RuntimeError,
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}",
        )
    input, other = lower(input, other)
    _require_same_scalar("inner", input, other)
    return contraction.tensordot(input, other, (input.ndim - 1,), (other.ndim - 1,))


@public(names=("ger",))
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of elements of two vectors: (n, m)."""
    for which, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise error(RuntimeError, f"outer: Expected 1-D argument {which}, but got {x.ndim}-D")
    return pw.mul(reshape(input, (*input._shape, 1)), vec2)


@public(method=False)
def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices, in the cheapest order."""
    given = matrices[0] if len(matrices) == 1 and not isinstance(matrices[0], Tensor) else matrices
    if len(given) == 1:
        return given[0]
    given = lower(*given)
    for left, right in itertools.pairwise(given):
        _require_product(left, right)
    letters = tuple((chr(97 + i), chr(98 + i)) for i in range(len(given)))
    equation = summation.Equation(letters, (letters[0][0], letters[-1][1]))
    return summation.einsum(equation, list(given))


@public
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of `input` times all of `other`."""
    rank = builtins.max(input.ndim, other.ndim)
    a = (1,) * (rank - input.ndim) + input._shape
    b = (1,) * (rank - other.ndim) + other._shape
    left = reshape(input, tuple([n for extent in a for n in (extent, 1)]))
    right = reshape(other, tuple([n for extent in b for n in (1, extent)]))
    return reshape(pw.mul(left, right), tuple([n * m for n, m in zip(a, b)]))


# -- sums with products -----------------------------------------------------------------------


def _scaled_sum(name: str, input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product; with beta 0, `input` is not read (its nan does not count)."""
    if input.dtype is not product.dtype:
        raise error(
            RuntimeError,
            f"self and mat2 must have the same dtype, but got {scalar_type(input.dtype)} and "
            f"{scalar_type(product.dtype)} in {name}",
        )
    if product.dtype.kind in "iu" and (isinstance(beta, float) or isinstance(alpha, float)):
        raise error(
            RuntimeError,
            f"{name}: for integer tensors beta and alpha must be integers, received {beta} and "
            f"{alpha}",
        )
    if broadcast_shapes(name, input._shape, product._shape) != product._shape:
        raise error(
            RuntimeError,
            f"The expanded size of the tensor ({list(product.shape)}) must match the existing size "
            f"({list(input.shape)}) in {name}",
        )
    scaled = product if alpha == 1 else pw.mul(product, alpha)
    if beta == 0:
        return scaled
    return pw.add(scaled, input if beta == 1 else pw.mul(input, beta))


def _added_product(
    name: str,
    form: Callable[[Any, Any], Tensor],
    input: Tensor,
    a: Tensor,
    b: Tensor,
    beta: Any,
    alpha: Any,
) -> Tensor:
    """beta * input + alpha * form(a, b); 16-bit floats are rounded once, at the end.

    In a region of autocast the product is one of 16-bit operands, which is what the region is for.
    """
    dtype = input.dtype
    narrow = dtype in (float16, bfloat16) and a.dtype is dtype and b.dtype is dtype
    if narrow and not autocast.enabled:
        wide = [cast(x, float32) for x in (input, a, b)]
        return cast(_scaled_sum(name, wide[0], form(wide[1], wide[2]), beta, alpha), dtype)
    return _scaled_sum(name, input, form(a, b), beta, alpha)


@public(inplace=True)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    input, mat1, mat2 = lower(input, mat1, mat2)
    return _added_product("addmm", mm, input, mat1, mat2, beta, alpha)


@public(inplace=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""
    return _added_product("addmv", mv, input, mat, vec, beta, alpha)


@public(inplace=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), for each matrix of a stack."""
    input, batch1, batch2 = lower(input, batch1, batch2)
    return _added_product("baddbmm", bmm, input, batch1, batch2, beta, alpha)


@public(inplace=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta * input + alpha * (the sum of batch1 @ batch2 over the stack)."""
    for i, x in enumerate((batch1, batch2), 1):
        if x.ndim != 3:
            raise error(RuntimeError, f"batch{i} must be a 3D tensor, received {list(x.shape)}")
    input, batch1, batch2 = lower(input, batch1, batch2)
    _require_same_scalar("addbmm", batch1, batch2)

    def summed(a: Tensor, b: Tensor) -> Tensor:
        return contraction.tensordot(a, b, (0, 2), (0, 1))

    return _added_product("addbmm", summed, input, batch1, batch2, beta, alpha)


@public(inplace=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    product = outer(vec1, vec2)
    dtype = promote_types(product.dtype, input.dtype)
    return _scaled_sum("addr", cast(input, dtype), cast(product, dtype), beta, alpha)


# -- general contractions ---------------------------------------------------------------------


def _contracted(dims: Any, a: Tensor, b: Tensor) -> tuple[list[int], list[int]]:
    """The axes of `a` and of `b` that are contracted, in pairs."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if not hasattr(dims, "__index__"):
        pair = list(dims) if len(dims) == 2 else [dims[0], dims[0]]
        lists = [[x] if hasattr(x, "__index__") else list(x) for x in pair]
        return lists[0], lists[1]
    count = int(dims)
    if count < 0:
        raise error(RuntimeError, f"tensordot expects dims >= 0, but got dims={count}")
    if count > builtins.min(a.ndim, b.ndim):
        raise error(
            RuntimeError, f"tensordot expects dims < ndim_a or ndim_b, but got dims={count}"
        )
    return list(range(-count, 0)), list(range(count))


@public(method=False)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over `dims` axes (the last of a, the first of b), or over pairs of axes."""
    of_a, of_b = _contracted(dims, a, b)
    if len(of_a) != len(of_b):
        raise error(
            RuntimeError,
            f"both dimension lists should have same length, got {of_a} and {of_b}",
        )
    axes_a = tuple([normal_axis(d, a.ndim, "tensordot") for d in of_a])
    axes_b = tuple([normal_axis(d, b.ndim, "tensordot") for d in of_b])
    for i, (i_a, i_b) in enumerate(zip(axes_a, axes_b)):
        n, m = a._shape[i_a], b._shape[i_b]
        if n != m and 1 not in (n, m):
            raise error(
                RuntimeError,
                f"contracted dimensions need to match, but first has size {n} in dim {of_a[i]} and "
                f"second has size {m} in dim {of_b[i]}",
            )
    a, b = lower(a, b)
    _require_same_scalar("tensordot", a, b)
    return contraction.tensordot(
        _stretched(a, axes_a, b, axes_b), _stretched(b, axes_b, a, axes_a), axes_a, axes_b
    )


def _stretched(x: Tensor, axes: tuple[int, ...], other: Tensor, others: tuple[int, ...]) -> Tensor:
    """Axes of extent 1 repeated to the extent of the axes that they are contracted with."""
    shape = list(x._shape)
    for axis, partner in zip(axes, others):
        shape[axis] = builtins.max(shape[axis], other._shape[partner])
    return broadcast(x, tuple(shape))


@public(method=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by an equation: einsum("bij,bjk->bik", a, b).

    Also einsum(a, [0, 1], b, [1, 2], [0, 2]). Raises RuntimeError where equation and operands do
    not fit.
    """
    if isinstance(equation, str):
        given = (
            operands[0]
            if len(operands) == 1 and isinstance(operands[0], (list, tuple))
            else operands
        )
        parsed = summation.parse(equation)
    else:
        parsed, given = _sublists((equation, *operands))
    tensors = list(lower(*[tensor_argument("einsum", "operands", x) for x in given]))
    for other in tensors[1:]:
        _require_same_scalar("einsum", tensors[0], other)
    result = summation.einsum(parsed, tensors)
    return ALIAS(result) if any(result is x for x in tensors) else result


def _sublists(items: tuple[Any, ...]) -> tuple[summation.Equation, list[Tensor]]:
    """The equation and operands of the form (tensor, list of ints, ..., list of the result)."""
    pairs = len(items) // 2
    labels = [_letters(items[2 * i + 1]) for i in range(pairs)]
    result = _letters(items[-1]) if len(items) % 2 else None
    return summation.Equation(tuple(labels), result), [items[2 * i] for i in range(pairs)]


def _letters(places: Sequence[Any]) -> tuple[Any, ...]:
    """Numbers as subscripts; upper case first, so that letters sort as the numbers do."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    if any(x is not Ellipsis and not 0 <= x < len(letters) for x in places):
        raise error(
            RuntimeError, f"einsum(): subscripts must be in [0, 52), received {list(places)}"
        )
    return tuple([x if x is Ellipsis else letters[x] for x in places])
