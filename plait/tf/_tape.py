"""GradientTape and custom gradients, on the core's own differentiation.

A tape is a stretch of time: while it records, operations on what it watches get grad nodes. Asking
it for gradients walks those. What one tape recorded is a constant to the tapes after it.
"""

from __future__ import annotations

import contextlib
import enum
import functools
from collections.abc import Callable, Iterator
from typing import Any

import plait
from plait.core.ir.errors import error, warn
from plait.core.lazy import backward as differentiation
from plait.core.lazy import function as user_function
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.tensor import LazyTensor
from plait.tf import nest
from plait.tf._autograph import bodies
from plait.tf._convert import convert, wrap
from plait.tf._dispatch import state
from plait.tf._tensor import Tensor
from plait.tf._variable import Variable


class UnconnectedGradients(enum.Enum):
    """What stands for the gradient of something that the target does not depend on."""

    NONE = "none"
    ZERO = "zero"


class GradientTape:
    """Records operations for differentiation.

    persistent: gradients may be asked for several times. watch_accessed_variables: trainable
    variables are watched when they are read.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._automatic = watch_accessed_variables
        self._used = False
        self._recording = False
        self._watched: dict[int, Any] = {}

    def __enter__(self) -> GradientTape:
        bodies.refuse("a GradientTape records")
        if self._recording:
            raise error(
                ValueError,
                "Tape is still recording, This can happen if you try to "
                "re-enter an already-active tape.",
            )
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._recording:
            self._stop()

    def _start(self) -> None:
        state.tapes = (*state.tapes, self)
        self._recording = True

    def _stop(self) -> None:
        state.tapes = tuple([tape for tape in state.tapes if tape is not self])
        self._recording = False

    # -- what is watched ----------------------------------------------------------------------

    def watch(self, tensor: Any) -> None:
        """Record what is done with a tensor (or all in a structure of them)."""
        for item in nest.flatten(tensor):
            if isinstance(item, Variable):
                self._watched[id(item)] = item
                continue
            if not isinstance(item, Tensor):
                raise error(
                    ValueError,
                    f"Passed in object {item!r} of type {type(item).__name__!r}, not "
                    "tf.Tensor or tf.Variable or ExtensionType.",
                )
            self._watch_tensor(item)

    def _watch_tensor(self, tensor: Tensor) -> None:
        if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
            warn(
                "The dtype of the watched tensor must be floating (e.g. tf.float32), got "
                f"{tensor.dtype!r}"
            )
            return
        held = tensor.inner()
        kept = tensor._tapes
        if not held.requires_grad or held is not tensor._inner:
            held = held.detach()
            held.requires_grad_()
            tensor._inner, kept = held, ()
        tensor._tapes = (*[tape for tape in kept if tape is not self], self)
        self._watched[id(held)] = held

    def reads(self, variable: Any) -> bool:
        """Note that a variable is read; whether this tape follows it."""
        if id(variable) in self._watched:
            return True
        if self._automatic and variable.trainable and variable.dtype.is_floating:
            self._watched[id(variable)] = variable
            return True
        return False

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables watched so far, in the order in which they were made."""
        found = [v for v in self._watched.values() if isinstance(v, Variable)]
        return tuple(sorted(found, key=lambda v: v._number))

    def reset(self) -> None:
        """Forget all that was recorded."""
        recording = self._recording
        if recording:
            self._stop()
        # What was recorded carries the old tuple of tapes; a tape is known by identity.
        self._watched = {}
        self._used = False
        if recording:
            self._start()

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A stretch in which this tape does not record. Raises ValueError if it does not now."""
        if not self._recording:
            raise error(ValueError, "Tape is not recording.")
        before = state.tapes
        state.tapes = tuple([tape for tape in before if tape is not self])
        self._recording = False
        try:
            yield
        finally:
            state.tapes = before
            self._recording = True

    # -- gradients ----------------------------------------------------------------------------

    def _take(self, what: str) -> None:
        if self._used and not self._persistent:
            raise error(
                RuntimeError,
                "A non-persistent GradientTape can only be used to compute one set of gradients "
                "(or jacobians)",
            )
        self._used = True
        if self._recording and not self._persistent:
            self._stop()

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
    ) -> Any:
        """The derivatives of the sum of `target` by each of `sources`, in their structure.

        None (zeros with `UnconnectedGradients.ZERO`) for a source that the target does not depend
        on. Raises RuntimeError for a second call on a tape that is not persistent.
        """
        self._take("gradient")
        zero = UnconnectedGradients(_value(unconnected_gradients)) is UnconnectedGradients.ZERO
        targets = [_tensor(t) for t in nest.flatten(target)]
        starts = nest.flatten(output_gradients) if output_gradients is not None else []
        flat = nest.flatten(sources)
        found = self._gradients(targets, starts, flat)
        results = [
            _zeros(s) if g is None and zero else None if g is None else self._wrapped(g)
            for s, g in zip(flat, found)
        ]
        return nest.pack_sequence_as(sources, results)

    def _wrapped(self, gradient: Any) -> Any:
        made = wrap(gradient)
        if gradient.requires_grad:
            made._tapes = state.tapes
        return made

    def _gradients(self, targets: list[Any], starts: list[Any], sources: list[Any]) -> list[Any]:
        roots, seeds = [], []
        for place, target in enumerate(targets):
            if not isinstance(target, LazyTensor):
                continue
            if not target.dtype.is_floating_point:
                warn(
                    f"The dtype of the target tensor must be floating (e.g. tf.float32) when "
                    f"calling GradientTape.gradient, got {target.dtype.name}"
                )
                continue
            if target.requires_grad:
                roots.append(target)
                start = starts[place] if place < len(starts) else None
                seeds.append(plait.ones_like(target) if start is None else convert(start).inner())
        inputs = [self._source(s) for s in sources]
        asked = [x for x in inputs if x is not None]
        found: list[Any] = [None] * len(asked)
        if roots and asked:
            # Each source once: the core takes gradients of distinct tensors.
            create = bool(state.tapes)
            with grad_mode(create):
                found = list(differentiation.grad(roots, asked, seeds, True, create, True))
        given = iter(found)
        return [None if x is None else next(given) for x in inputs]

    def _source(self, source: Any) -> Any:
        """The core's tensor that stands for a source; None for one this tape does not know."""
        if isinstance(source, Variable):
            known = source._shared or id(source) in self._watched
            return source.cell() if known else None
        if isinstance(source, Tensor):
            held = source._inner
            known = isinstance(held, LazyTensor) and held.requires_grad
            return held if known and self in source._tapes else None
        held = source if isinstance(source, LazyTensor) else getattr(source, "value", source)
        if isinstance(held, Tensor):
            return self._source(held)
        if isinstance(held, LazyTensor):
            return held if held.requires_grad else None
        if isinstance(source, (list, tuple)) or source is None:
            return None
        raise error(TypeError, f"cannot differentiate by a {type(source).__name__}")

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The derivatives of each element of `target` by each element of the sources: shapes
        target.shape + source.shape."""
        self._take("jacobian")
        held = _tensor(target)
        flat = nest.flatten(sources)
        count = held.numel()
        starts = plait.eye(count, dtype=held.dtype).reshape((count, *held.shape))
        found = self._many(held, flat, starts)
        shapes = [tuple(held.shape) + tuple(s.shape) for s in flat]
        zero = UnconnectedGradients(_value(unconnected_gradients)) is UnconnectedGradients.ZERO
        results = [
            (wrap(plait.zeros(shape, dtype=held.dtype)) if zero else None)
            if g is None
            else self._wrapped(g.reshape(shape))
            for g, shape in zip(found, shapes)
        ]
        return nest.pack_sequence_as(sources, results)

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The Jacobian of each element of a batch by its own part of the source."""
        self._take("batch_jacobian")
        held = _tensor(target)
        if held.ndim < 1 or tuple(held.shape[:1]) != tuple(source.shape[:1]):
            raise error(
                ValueError,
                f"Need first dimension of target shape ({tuple(held.shape)}) and "
                f"source shape ({tuple(source.shape)}) to match.",
            )
        rest = tuple(held.shape[1:])
        count = held.numel() // max(held.shape[0], 1)
        starts = plait.eye(count, dtype=held.dtype).reshape((count, 1, *rest))
        starts = starts.broadcast_to((count, *held.shape))
        (found,) = self._many(held, [source], starts)
        shape = (held.shape[0], *rest, *tuple(source.shape)[1:])
        if found is None:
            zero = UnconnectedGradients(_value(unconnected_gradients)) is UnconnectedGradients.ZERO
            return wrap(plait.zeros(shape, dtype=held.dtype)) if zero else None
        return self._wrapped(found.transpose(0, 1).reshape(shape))

    def _many(self, target: Any, sources: list[Any], starts: Any) -> list[Any]:
        """The gradients from each of several starts, which lie along axis 0."""
        inputs = [self._source(s) for s in sources]
        asked = [x for x in inputs if x is not None]
        found: list[Any] = [None] * len(asked)
        if target.requires_grad and asked:
            create = bool(state.tapes)
            found = list(
                plait.autograd.grad(
                    [target],
                    asked,
                    [starts],
                    retain_graph=True,
                    create_graph=create,
                    allow_unused=True,
                    is_grads_batched=True,
                )
            )
        given = iter(found)
        return [None if x is None else next(given) for x in inputs]


def _value(unconnected: Any) -> Any:
    return getattr(unconnected, "value", unconnected)


def _tensor(target: Any) -> Any:
    """The core's tensor of a target, with its history."""
    if isinstance(target, Variable):
        return target.cell()
    if isinstance(target, Tensor):
        return target._inner
    return target if isinstance(target, LazyTensor) else convert(target)._inner


def _zeros(source: Any) -> Any:
    made = convert(source)
    return wrap(plait.zeros(tuple(made.shape), dtype=made.dtype.core))


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of the user's own: `f(*x)` gives `(y, grad)`, and `grad(*dy)` the
    gradients of the arguments."""

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        tensors = [convert(a) for a in args]
        tapes = state.tapes
        state.tapes = ()
        try:
            result, backward = f(*tensors, **kwargs)
        finally:
            state.tapes = tapes
        if not tapes:
            return result
        flat = [convert(r) for r in nest.flatten(result)]
        with grad_mode(True):
            outputs = [plait.Tensor.of_node(t._inner.read()) for t in flat]
            user_function.attach(
                f"{f.__name__}Backward",
                [t.inner() for t in tensors],
                outputs,
                functools.partial(_call_back, backward),
                True,
            )
        return nest.pack_sequence_as(result, [wrap(o) for o in outputs])

    return call


def _call_back(backward: Callable[..., Any], *grads: Any) -> tuple[Any, ...]:
    given = backward(*[wrap(g) for g in grads])
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], list):
        given = given[0]
    found = given if isinstance(given, (list, tuple)) else (given,)
    return tuple([None if g is None else convert(g)._inner for g in found])


def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: memory is planned by the compiler."""
    return f
