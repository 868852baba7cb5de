"""Calls of a settled kind, past all that is usually looked at: one native call compares it.

A compiled function tells kinds of calls apart by a key, finds its program by the key, and compares
what the program's step looks at. For the kind of call that came last, the key as well is compared
by the object machine (`quick`), together with the rest. Whatever is otherwise goes the usual way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait._autocast import state as autocast
from plait._promotion import Defaults
from plait._tensor import Tensor
from plait.compiler.parts import Object
from plait.compiler.quick import Quick, preparing
from plait.compiler.step import MISS
from plait.core.batching.levels import running
from plait.core.lazy.capture import watch
from plait.core.lazy.modes import modes
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.crowd import crowd
from plait.core.runtime.objects import Assembly, Register

if TYPE_CHECKING:
    from plait.compiler.guards import Guards
    from plait.compiler.step import Step

#: Calls on end that were of other kinds, after which none is expected any more.
MOST_MISSES = 64
#: What a call depends on besides its arguments: the last arguments of `prepare`.
_MODES = 4


class Direct:
    """The direct way of a step, as it is now: see `Step.quick`."""

    __slots__ = (
        "_count",
        "_guards",
        "_only",
        "_prepare",
        "_program",
        "_store",
        "misses",
        "quick",
        "step",
    )

    def __init__(self, guards: Guards, step: Step, quick: Quick, prepare: Any, count: int) -> None:
        self._guards = guards
        self.step = step
        more = step.number_slots or step.drawn or step.generators or step.passed
        #: What `Step.results_of` comes to, where it does nothing else.
        self._program = None if more else step.program
        self._prepare = prepare
        self._store = quick.store
        self._count = count
        self.quick = quick
        self.misses = 0
        alone = step.single and not step.grads and type(step.results[0]) is Object
        #: Which of the new tensors is what the call returns; None where it returns more than one.
        self._only = step.results[0].index if alone else None

    def call(self, args: tuple) -> Any:
        """What the function gives; MISS, with nothing changed, where the usual way is to be gone.

        Raises as `Step.replay` does.
        """
        step = self.step
        with crowd.lock:
            if len(crowd.present) > 1 or not self._guards.hold() or not step.holds():
                return MISS
            numbers = step.numbers()
            now = (modes.grad_enabled, modes.inference, autocast.enabled, Defaults.float_dtype)
            found = self._prepare(args, *now)
            if found is NotImplemented and self._computed_now(args):
                found = self._prepare(args, *now)
            changed = found is NotImplemented or not step.lie_as_before(args)
            if changed or numbers is None or running():
                self.misses += 1
                return MISS
            self.misses = 0
            again = dict(zip(step.places, found[2])) if found[2] else {}
            if self._program is not None:
                results = self._program(found[0], again)
                found[0].clear()
            else:
                results = step.results_of(found[0], again, numbers, False)
            found[2].clear()
            again.clear()
            objects = self._store(results, found[1], watch.era)
            if objects is NotImplemented:
                return step.store_changed(results, found[1], args)
            if self._only is not None:
                return objects[self._only]
            return step.returned(objects, args)

    def _computed_now(self, args: tuple) -> bool:
        """Compute arguments that wait still; whether there was one."""
        return watch.active is None and len(args) == self._count and self.quick.computed_now(args)


def direct_of(guards: Guards, step: Step, args: tuple) -> Direct | None:
    """The direct way of a step that has just been replayed with these arguments; None where there
    is none."""
    tensors = [x for x in args if isinstance(x, Tensor)]
    cells = {id(x.storage_cell) for x in tensors}
    if step.quick is None or autocast.enabled or len(cells) < len(tensors):
        return None
    if not all(type(x) in (Tensor, int, float, bool, str, type(None)) for x in args):
        return None
    now = (modes.grad_enabled, modes.inference, False, Defaults.float_dtype)

    def compare(steps: Assembly, given: Register, *others: Register) -> None:
        for register, value in zip(others, now, strict=True):
            steps.same(register, steps.constant(value))
        steps.is_now(steps.constant(watch), type(watch), "active", None)
        steps.length(given, len(args))
        found: list[Register] = []
        for number, value in enumerate(args):
            register = steps.part(given, number)
            if type(value) is Tensor:
                found.append(_tensor(steps, register, value))
            elif value is None or type(value) is bool or (type(value) is float and not value):
                # Of zeros this very one: 0.0 equals -0.0.
                steps.same(register, steps.constant(value))
            else:
                steps.equal(register, type(value), value)
        for number, cell in enumerate(found):
            for other in found[:number]:
                steps.differ(cell, other)

    prepare = preparing(step, args, _MODES, compare)
    return None if prepare is None else Direct(guards, step, step.quick, prepare, len(args))


def _tensor(steps: Assembly, register: Register, value: Tensor) -> Register:
    """Compare what tells tensors apart in the kinds of calls; the cell."""
    steps.type(register, Tensor)
    steps.is_now(register, LazyTensor, "_base", None)
    shape = steps.load(register, LazyTensor, "_shape")
    steps.equal(shape, type(value._shape), value._shape)
    steps.is_now(register, LazyTensor, "_dtype", value._dtype)
    steps.is_now(register, LazyTensor, "_requires_grad", value._requires_grad)
    made_by = steps.load(register, LazyTensor, "_grad_fn")
    if value._grad_fn is None:
        steps.same(made_by, steps.constant(None))
    else:
        steps.isnt(made_by, None)
    return steps.load(register, LazyTensor, "_cell")
