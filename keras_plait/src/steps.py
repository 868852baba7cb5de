"""A training step as a compiled program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from plait.compiler.compiled import Compiled
from plait.compiler.log import log
from plait.core.lazy.capture import Break


class _Training:
    """Whether a step of Keras' own loops runs."""

    inside = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around the Python code of one step."""
        before, self.inside = self.inside, True
        try:
            yield
        finally:
            self.inside = before


training = _Training()


class StepFunction:
    """A step that is captured at its first call for each kind of batch, and replayed then.

    A step that asks for values (a Python branch on a loss, `print` of a tensor) cannot be: it runs
    as Python code from then on, and `PLAIT_LOG=breaks` says why.
    """

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self._step = step
        self._compiled: Compiled | None = Compiled(step, whole=True, guarded=False)

    def __call__(self, data: Any) -> Any:
        if self._compiled is not None:
            try:
                return self._compiled(data)
            except Break as fault:
                log("breaks", self._step, str(fault))
                self._compiled = None
        return self._step(data)
