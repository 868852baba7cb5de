"""A compiled function: captured once for each kind of call, then replayed as one program.

Calls are told apart by their arguments' shapes, dtypes and places in autograd, by the values of
the other arguments, and by the recording modes. The first call of a kind runs as always, under a
`Capture`; if it can be replayed, later ones do not run the function at all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from plait._autocast import state as autocast
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait.compiler.direct import MOST_MISSES, Direct, direct_of
from plait.compiler.guards import Guards, Unguarded
from plait.compiler.log import log
from plait.compiler.plan import KEPT, Uncapturable, step_of
from plait.compiler.stand_ins import StandIns
from plait.compiler.step import MISS, Step
from plait.core.batching.levels import body_era, running
from plait.core.ir.errors import error
from plait.core.lazy.capture import Break, Capture, current
from plait.core.lazy.cell import compute_all
from plait.core.lazy.modes import modes
from plait.core.lazy.replay.thread import threads as replay
from plait.utils._pytree import tree_flatten, tree_unflatten

#: How many programs one kind of call may have, and how many captures may come to nothing.
_PROGRAMS = 8
_ATTEMPTS = 4
#: How many kinds of calls a function may have.
_KINDS = 64


class _Kind:
    """What is known of one kind of call: its programs, and why it is not compiled, if so."""

    __slots__ = ("attempts", "guards", "plain", "steps")

    def __init__(self) -> None:
        self.steps: list[tuple[Guards, Step]] = []
        self.attempts = 0
        self.plain: str | None = None


class Compiled:
    """A callable that does what `function` does.

    whole: raise `Break`, with nothing changed, where it cannot be captured. guarded: compare the
    Python values that the code reads before each replay; without, the caller knows when they change
    and calls `reset`, and a function that raises while it is captured leaves all as it was.
    """

    def __init__(
        self, function: Callable[..., Any], whole: bool = False, guarded: bool = True
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._whole = whole
        self._guards: Callable[[Any, Sequence[Any]], Guards] = Guards if guarded else Unguarded
        self._kinds: dict[Any, _Kind] = {}
        self._direct: Direct | None = None
        _all.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        direct = self._direct
        if direct is not None and not kwargs and direct.misses <= MOST_MISSES:
            result = direct.call(args)
            if result is not MISS:
                return result
        if current() is not None or body_era() or running():
            return self._function(*args, **kwargs)  # part of the program around it
        leaves: Sequence[Any] = args
        tree = None
        key = None if kwargs else _flat_key(args)
        if key is None:
            leaves, tree = tree_flatten((args, kwargs))
            if any(isinstance(x, Tensor) and not x.is_dense for x in leaves):
                self._refuse("an argument is a sparse or a meta tensor")
                return self._function(*args, **kwargs)
            key = (_shape_of(tree), *map(_describe, leaves))
        key = (
            *key,
            len(leaves) > 1 and _share(leaves),
            modes.grad_enabled,
            modes.inference,
            autocast.dtype if autocast.enabled else None,
            get_default_dtype(),
        )
        try:
            kind = self._kinds.get(key)
        except TypeError:
            self._refuse("its arguments come in a structure that has no hash")
            return self._function(*args, **kwargs)
        if kind is None:
            if len(self._kinds) >= _KINDS:
                self._refuse(f"it has had {_KINDS} kinds of calls")
                return self._function(*args, **kwargs)
            if self._kinds:
                log("recompiles", self._function, "the arguments are of another kind")
            kind = self._kinds[key] = _Kind()
        for guards, step in kind.steps:
            if guards.hold():
                result = step.replay(leaves)
                if result is not MISS:
                    if step.quick is not None and not kwargs:
                        # The kind of call that came last is expected again.
                        if step.settled_by is not step.quick:
                            step.settled_by = step.quick
                            step.direct = direct_of(guards, step, args)
                        self._direct = step.direct
                    return result
        if kind.plain is not None:
            return self._function(*args, **kwargs)
        return self._capture(kind, leaves, tree, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return partial(self, instance)

    def reset(self) -> None:
        """Forget all programs."""
        self._kinds.clear()
        self._direct = None

    # -- capturing ------------------------------------------------------------------------------

    def _capture(
        self, kind: _Kind, leaves: Sequence[Any], tree: Any, args: Any, kwargs: Any
    ) -> Any:
        guards = self._guards(self._function, [x for x in leaves if not isinstance(x, Tensor)])
        if guards.reason is None and len(leaves) > 1 and _share(leaves):
            guards.reason = "an argument shares its memory with another"
        if guards.reason is None and len(kind.steps) >= _PROGRAMS:
            guards.reason = f"its values have changed {_PROGRAMS} times"
        if guards.reason is not None:
            self._give_up(kind, guards.reason)
            return self._function(*args, **kwargs)
        if any(isinstance(x, Tensor) and x.storage_cell in guards.reached for x in leaves):
            # What it reads could not be told from the argument. Other calls of the kind may be
            # captured all the same, but to find this out each time costs more than a plain call.
            kind.attempts += 1
            refuse = self._refuse if kind.attempts < _ATTEMPTS else partial(self._give_up, kind)
            refuse("an argument is a tensor, or part of one, that the code reads by name too")
            return self._function(*args, **kwargs)
        if kind.steps:
            log("recompiles", self._function, "a value that the program depends on has changed")
        arguments = StandIns(leaves)
        given = arguments.given
        if tree is not None:
            args, kwargs = tree_unflatten(given, tree)
        else:
            args = given
        replay.end()
        captured = Capture(self._whole)
        if not captured.begin():
            return self._function(*args, **kwargs)
        # Parameters that a region around the call has cast already are cast in each replay.
        kept, autocast.kept = autocast.kept, {}
        try:
            arguments.enter(captured)
            result = self._function(*args, **kwargs)
        except BaseException as fault:
            captured.close()
            if isinstance(fault, Break) or isinstance(guards, Unguarded):
                captured.roll_back()
            else:
                _compute(captured)
                arguments.finish()
            raise
        finally:
            autocast.kept = kept
        captured.close()
        return self._finish(kind, guards, captured, result, arguments)

    def _finish(
        self,
        kind: _Kind,
        guards: Guards,
        captured: Capture,
        result: Any,
        arguments: StandIns,
    ) -> Any:
        reason = captured.reason
        permanent = reason is not None
        reason = reason or captured.discarded or guards.effect()
        if reason is None and arguments.are_written():
            reason, permanent = "an argument that is a view is written", True
        if reason is None:
            try:
                step, finish = step_of(captured, result, arguments.given)
            except Uncapturable as fault:
                # The first call may make what lasts, as models and optimizers do; later ones need
                # not, if nothing else has to be looked after.
                reason = str(fault)
                permanent = reason != KEPT or self._guards is not Unguarded
            except Exception:  # a value recorded before the call cannot be computed
                captured.roll_back()
                raise
            else:
                try:
                    finish()
                except Exception:
                    captured.roll_back()
                    raise
                kind.steps.append((guards, step))
                return arguments.originals(result)
        kind.attempts += 1
        if permanent or kind.attempts >= _ATTEMPTS:
            if self._whole:
                captured.roll_back()
            self._give_up(kind, reason)
        _compute(captured)
        arguments.finish()
        return arguments.originals(result)

    def _give_up(self, kind: _Kind, reason: str) -> None:
        """Run calls of a kind as they are, from now on."""
        self._refuse(reason)
        kind.plain = reason

    def _refuse(self, reason: str) -> None:
        """Say why a call is not captured; raise where it has to be."""
        log("breaks", self._function, reason)
        if self._whole:
            raise error(Break, f"torch.compile(fullgraph=True): {reason}")


def _compute(captured: Capture) -> None:
    """Compute what the call has written, as its optimizers would have; undo all if it fails."""
    try:
        written = [cell for cell, _, _ in captured.written.values()]
        compute_all([*written, *captured.created])
    except Exception:
        captured.roll_back()
        raise


def _shape_of(tree: Any) -> tuple:
    """The shape of a tree of arguments as a key."""
    context = tree.context
    if isinstance(context, list):
        context = tuple(context)
    return (tree.type, context, tuple([_shape_of(child) for child in tree.children_specs]))


def _flat_key(args: tuple) -> tuple | None:
    """The kind of a call whose arguments are dense tensors and simple values; else None."""
    key: list[Any] = []
    for value in args:
        if isinstance(value, Tensor) and value.is_dense:
            key.append(_place(value))
        elif type(value) in _SIMPLE:
            key.append((type(value), value if value else repr(value)))  # 0.0 is not -0.0
        else:
            return None
    return tuple(key)


def _share(leaves: Sequence[Any]) -> bool:
    """Whether two arguments share their memory."""
    cells = [id(x.storage_cell) for x in leaves if isinstance(x, Tensor)]
    return len(set(cells)) < len(cells)


_SIMPLE = {bool, int, float, str, type(None)}


class _Identity:
    """An argument that is told apart by identity."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


def _place(tensor: Any) -> tuple:
    """What of a tensor tells kinds of calls apart."""
    return (
        tensor._shape,
        tensor._dtype,
        tensor._requires_grad,
        tensor._grad_fn is None,
        None if tensor._base is None else tensor.requires_grad,
    )


def _describe(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _place(value)
    if type(value) in _SIMPLE:
        return (type(value), value if value else repr(value))
    return _Identity(value)


#: Every compiled function, for `reset`.
_all: WeakSet[Compiled] = WeakSet()


def reset_all() -> None:
    """Forget all programs of all compiled functions."""
    for compiled in _all:
        compiled.reset()
