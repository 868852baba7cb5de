"""Derivatives of functions as functions: `grad`, `vjp`, `jvp`, Jacobians and Hessians.

All are made of reverse passes whose results are recorded, so that they nest. The derivative along a
vector (`jvp`) is that of a reverse pass with respect to what it starts from: a linear function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from plait._functions.creation import eye, ones_like, zeros_like
from plait._higher_order_ops._traced import recording
from plait._tensor import Tensor
from plait.core.batching.levels import Level, in_body
from plait.core.ir.errors import error
from plait.core.lazy import backward as differentiation
from plait.core.lazy.grad import GradNode
from plait.core.lazy.modes import grad_mode
from plait.core.ops.elementwise import ALIAS
from plait.func._batched import BatchedTensor, sample_of_all, samples_at
from plait.func._in_bodies import InBody
from plait.func._vmap import vmap
from plait.utils._pytree import tree_flatten, tree_map, tree_unflatten


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of `func`, which gives one number.

    argnums: the argument, or a tuple of those, to differentiate; has_aux: `func` gives (number,
    what else is wanted). Raises RuntimeError where the result is no single number.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def grad_and_value(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives (gradient, value); with `has_aux` (gradient, (value, aux))."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        tracked = _Tracked(args, argnums)
        result = tracked.call(func, kwargs)
        aux = None
        if has_aux:
            result, aux = _with_aux(result, "grad_and_value")
        if not isinstance(result, Tensor):
            raise error(
                RuntimeError,
                f"Expected f(*args) to return a single tensor, but got a {type(result).__name__}",
            )
        if result.ndim:
            raise error(
                RuntimeError,
                f"Expected f(*args) to return a scalar tensor, got tensor with {result.ndim} dims. "
                "Maybe you wanted to use vjp or jacrev?",
            )
        found = tracked.pulled_back([result], [ones_like(result.detach())])
        value = tracked.untracked(result)
        return found, (value, tracked.untracked(aux)) if has_aux else value

    return both


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), a function that pulls a vector back), and what else `func` gives.

    The function takes a value like the result, and gives a tuple of one gradient per primal.
    """
    tracked = _Tracked(primals, tuple(range(len(primals))))
    result, outputs, tree, aux = tracked.outputs(func, {}, has_aux, "vjp")

    def pull_back(*cotangents: Any) -> Any:
        given: Any = cotangents[0] if len(cotangents) == 1 else cotangents
        vectors, given_tree = tree_flatten(given)
        if len(vectors) != len(outputs):
            raise error(
                RuntimeError,
                f"Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {given_tree}, primal output: {tree}",
            )
        return tracked.pulled_back(outputs, vectors)

    value = tracked.untracked(result)
    return (value, pull_back, tracked.untracked(aux)) if has_aux else (value, pull_back)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """(func(*primals), its derivative along the tangents), and what else `func` gives."""
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise error(
            RuntimeError,
            "jvp(f, primals, tangents): Expected primals and tangents to be tuples. E.g. it should "
            "be valid to call f(*primals).",
        )
    tracked = _Tracked(primals, tuple(range(len(primals))))
    vectors = tree_flatten(tangents)[0]
    _require_like(tracked.inputs, vectors)
    result, outputs, tree, aux = tracked.outputs(func, {}, has_aux, "jvp")
    pushed = tracked.pushed_forward(outputs, vectors)
    found = tracked.untracked(result), tree_unflatten(pushed, tree)
    return (*found, tracked.untracked(aux)) if has_aux else found


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), the function that takes tangents to the derivative along them)."""
    value = func(*primals)

    def pushed(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return value, pushed


def jacrev(
    func: Callable[..., Any],
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The Jacobian of `func`, row by row: one reverse pass per element of the result, all at once.

    Its results have the shape of the output followed by that of the argument; nested as the
    output, then as `argnums`. chunk_size: how many rows at a time.
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        tracked = _Tracked(args, argnums)
        _, outputs, tree, aux = tracked.outputs(func, kwargs, has_aux, "jacrev")
        rows = vmap(
            lambda *vectors: tracked.pulled_back(outputs, list(vectors)), chunk_size=chunk_size
        )(*_basis(outputs))
        found = tree_unflatten(_by_output(rows, outputs), tree)
        return (found, tracked.untracked(aux)) if has_aux else found

    return jacobian


def jacfwd(
    func: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The Jacobian of `func`, column by column: one derivative along each element of the arguments.

    Nested and shaped as the results of `jacrev`.
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        tracked = _Tracked(args, argnums)
        _, outputs, tree, aux = tracked.outputs(func, kwargs, has_aux, "jacfwd")
        columns = vmap(
            lambda *vectors: tuple(tracked.pushed_forward(outputs, list(vectors))),
            out_dims=-1,
            chunk_size=chunk_size,
            randomness=randomness,
        )(*_basis(tracked.inputs))
        parts = [_by_input(column, tracked) for column in columns]
        found = tree_unflatten(parts, tree)
        return (found, tracked.untracked(aux)) if has_aux else found

    return jacobian


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """The matrix of second derivatives: `jacfwd` of `jacrev`."""
    return jacfwd(jacrev(func, argnums), argnums)


class _Tracked:
    """The arguments of a call, those to differentiate as tensors of their own.

    Under `vmap` they are made batched at each level that runs: what is differentiated is the
    function of one sample, also where an argument is the same for all.
    """

    def __init__(self, args: tuple, argnums: Any) -> None:
        self.levels: list[Level] = in_body()
        body = recording()
        self._body = None if body is None else InBody(body)
        self.several = isinstance(argnums, tuple)
        numbers = argnums if self.several else (argnums,)
        self.numbers = [_argument(n, len(args)) for n in numbers]
        self.args = list(args)
        self.inputs: list[Any] = []
        self._all: list[Any] = []
        #: The leaves that only this derivative knows.
        self._own: list[Any] = []
        self.trees = []
        with grad_mode(True):
            for number in self.numbers:
                leaves, tree = tree_flatten(args[number])
                _require_tensors(leaves, "grad")
                fresh = [self._fresh(leaf) for leaf in leaves]
                self.inputs += fresh
                self.trees.append((tree, len(fresh)))
                self.args[number] = tree_unflatten(fresh, tree)

    def _fresh(self, leaf: Any) -> Any:
        samples = leaf
        for at in reversed(self.levels):
            samples = samples_at(samples, at)
        inner = self._body is None and samples.requires_grad
        tracked = ALIAS(samples) if inner else self._leaf(samples)
        self._all.append(tracked)
        return self._dressed(tracked)

    def _dressed(self, samples: Any) -> Any:
        """All samples, oldest level first, as the tensor that one sample sees."""
        for at in self.levels:
            samples = sample_of_all(samples, at)
        return samples

    def _bare(self, value: Any) -> Any:
        for at in reversed(self.levels):
            value = samples_at(value, at)
        return value

    def call(self, func: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        """The function's result on the tracked arguments."""
        with grad_mode(True):
            return func(*self.args, **kwargs)

    def outputs(
        self, func: Callable[..., Any], kwargs: dict[str, Any], has_aux: bool, name: str
    ) -> tuple[Any, list[Any], Any, Any]:
        """(the function's result, its tensors, how it nests them, what else the function gives)."""
        result, aux = self.call(func, kwargs), None
        if has_aux:
            result, aux = _with_aux(result, name)
        found, tree = tree_flatten(result)
        _require_tensors(found, name)
        return result, found, tree, aux

    def pulled_back(self, outputs: Sequence[Any], vectors: Sequence[Any]) -> Any:
        """Gradients of the arguments, nested as `argnums` says."""
        for y, v in zip(outputs, vectors):
            if tuple(y.shape) != tuple(v.shape):
                raise error(
                    RuntimeError,
                    f"vjp: a vector of shape {list(v.shape)} is given for a result of shape "
                    f"{list(y.shape)}",
                )
        grads = self._grads(outputs, vectors)
        found = [self.untracked(self._dressed(g)) for g in grads]
        return self._nested(found)

    def _grads(self, outputs: Sequence[Any], vectors: Sequence[Any]) -> list[Any]:
        """Recorded gradients of all samples; zeros where there is no way."""
        pairs = [(self._bare(y), self._bare(v)) for y, v in zip(outputs, vectors)]
        found = self._recorded([y for y, _ in pairs], self._all, [v for _, v in pairs])
        return [zeros_like(x.detach()) if g is None else g for x, g in zip(self._all, found)]

    def pushed_forward(self, outputs: Sequence[Any], vectors: Sequence[Any]) -> list[Any]:
        """The derivative of each output along the vectors, one per tracked argument."""
        pushed = []
        bare_vectors = [self._bare(v) for v in vectors]
        for y in outputs:
            bare = self._bare(y)
            start = self._leaf(zeros_like(bare.detach()))
            grads = self._recorded([bare], self._all, [start])
            known = [(g, v) for g, v in zip(grads, bare_vectors) if g is not None]
            (along,) = self._recorded([g for g, _ in known], [start], [v for _, v in known])
            found = zeros_like(bare.detach()) if along is None else along
            pushed.append(self.untracked(self._dressed(found)))
        return pushed

    def _leaf(self, value: Any) -> Any:
        """A tensor that only this derivative knows, to differentiate with respect to."""
        if self._body is not None:
            return self._body.leaf(value)
        leaf = value.detach().requires_grad_()
        self._own.append(leaf)
        return leaf

    def _recorded(
        self, outputs: Sequence[Any], inputs: Sequence[Any], vectors: Sequence[Any]
    ) -> Sequence[Any]:
        """The vectors pulled back to the inputs, so that it can be differentiated again; None where
        no way leads to one."""
        if self._body is not None:
            return self._body.grads(outputs, inputs, vectors)
        pairs = [(y, v) for y, v in zip(outputs, vectors) if y.edge() is not None]
        if not pairs:
            return [None] * len(inputs)
        with grad_mode(True):
            return differentiation.grad(
                [y for y, _ in pairs], inputs, [v for _, v in pairs], True, True, True
            )

    def _nested(self, found: list[Any]) -> Any:
        parts = []
        for tree, count in self.trees:
            parts.append(tree_unflatten(found[:count], tree))
            found = found[count:]
        return tuple(parts) if self.several else parts[0]

    def untracked(self, tree: Any) -> Any:
        """Values without their place in this derivative; those of others, around it, stay."""
        cut = self._cut if self._body is None else self._body.untracked
        return tree_map(lambda x: cut(x) if isinstance(x, Tensor) else x, tree)

    def _cut(self, x: Any) -> Any:
        inner = x
        while isinstance(inner, BatchedTensor):
            inner = inner._samples
        if inner.is_in_graph:
            return x  # of a body that began after this derivative
        edge = inner.edge()
        if edge is None or _leads_elsewhere(edge[0], {id(x) for x in self._own}):
            return x
        return x.detach()


def _leads_elsewhere(target: Any, own: set[int]) -> bool:
    """Whether a gradient that arrives at a grad node goes to any leaf besides these."""
    seen = {id(target)}
    stack = [target]
    while stack:
        found = stack.pop()
        if not isinstance(found, GradNode):
            if id(found) not in own:
                return True
            continue
        for edge in found.edges:
            if edge is not None and id(edge[0]) not in seen:
                seen.add(id(edge[0]))
                stack.append(edge[0])
    return False


def _argument(number: Any, count: int) -> int:
    if not isinstance(number, int) or not -count <= number < count:
        raise error(
            RuntimeError,
            f"Got argnum={number}, but only {count} positional inputs; argnums must be an int or a "
            "tuple of ints",
        )
    return number % count


def _with_aux(result: Any, name: str) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise error(
            RuntimeError,
            f"{name}(f)(*args): output of function f should be a tuple: (output, aux) if has_aux "
            "is True",
        )
    return result


def _require_tensors(values: Sequence[Any], name: str) -> None:
    for value in values:
        if not isinstance(value, Tensor):
            raise error(
                RuntimeError,
                f"{name}(f, *primals): expected only tensors to differentiate, got "
                f"{type(value).__name__}",
            )
    if not values:
        raise error(RuntimeError, f"{name}(f, *primals): received no tensor to differentiate")


def _require_like(values: Sequence[Any], vectors: Sequence[Any]) -> None:
    fits = len(values) == len(vectors) and all(
        isinstance(v, Tensor) and tuple(x.shape) == tuple(v.shape) for x, v in zip(values, vectors)
    )
    if not fits:
        raise error(
            RuntimeError,
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            f"structure and shapes: {[tuple(x.shape) for x in values]} and "
            f"{[tuple(getattr(v, 'shape', ())) for v in vectors]}",
        )


def _basis(values: Sequence[Any]) -> tuple[Any, ...]:
    """For each value the vectors (N, *shape) with one 1 among all the elements of all values."""
    counts = [value.numel() for value in values]
    total = sum(counts)
    rows, start = [], 0
    for value, count in zip(values, counts):
        whole = eye(total, dtype=value.dtype)
        rows.append(whole[:, start : start + count].reshape(total, *value.shape))
        start += count
    return tuple(rows)


def _by_output(rows: Any, outputs: Sequence[Any]) -> list[Any]:
    """Gradients (N, *input) for all elements of all outputs, parted by output."""
    found, start = [], 0
    for output in outputs:
        count = output.numel()
        found.append(
            tree_map(
                lambda g, a=start, n=count, y=output: g[a : a + n].reshape(*y.shape, *g.shape[1:]),
                rows,
            )
        )
        start += count
    return found


def _by_input(column: Any, tracked: _Tracked) -> Any:
    """Derivatives (*output, N) along all elements of all inputs, parted by input."""
    parts, start = [], 0
    for value in tracked.inputs:
        count = value.numel()
        part = column[..., start : start + count]
        parts.append(part.reshape(*column.shape[:-1], *value.shape))
        start += count
    return tracked._nested(parts)
