"""Switches of gradient recording: context managers that are decorators too.

The mode belongs to the Python thread. A decorated generator function has the mode while its own
code runs, not while its caller's does.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

from plait.core.ir.errors import error
from plait.core.lazy.modes import modes

__all__ = [
    "enable_grad",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class _Mode:
    """A region with given modes. One object may be entered again, also while it is entered."""

    #: The modes outside, of each time that it is entered. Set by each class itself: to make one
    #: is a part of every step of inference.
    _before: list[tuple[bool, bool]]

    def __init__(self) -> None:
        self._before = []

    def _set(self) -> None:
        raise NotImplementedError

    def clone(self) -> Self:
        """A fresh object of the same meaning."""
        return type(self)()

    def __enter__(self) -> None:
        self._before.append((modes.grad_enabled, modes.inference))
        self._set()

    def __exit__(self, *exc: object) -> None:
        modes.grad_enabled, modes.inference = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):
            return _wrap_generator(self.clone, function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return call


def _wrap_generator(mode: Callable[[], _Mode], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Any:
        with mode():
            generator = function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with mode():
                    produced = resume()
            except StopIteration as stop:
                return stop.value
            try:
                received = yield produced
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as fault:
                resume = functools.partial(generator.throw, fault)
            else:
                resume = functools.partial(generator.send, received)

    return generate


class _PlainMode(_Mode):
    """A mode without options: also a decorator without parentheses."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        if function is None:
            return object.__new__(cls)
        return cls()(function)

    def __init__(self, function: None = None) -> None:
        self._before = []


class no_grad(_PlainMode):
    """Operations are not recorded for differentiation."""

    def _set(self) -> None:
        modes.grad_enabled = False


class enable_grad(_PlainMode):
    """Operations are recorded for differentiation."""

    def _set(self) -> None:
        modes.grad_enabled = True


class set_grad_enabled(_Mode):
    """Record for differentiation or not, at once; as a context or decorator, for that region."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        if not isinstance(mode, bool):
            raise error(
                TypeError,
                "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not "
                f"{type(mode).__name__}",
            )
        self.mode = mode
        self._outside = (modes.grad_enabled, modes.inference)
        modes.grad_enabled = self.mode

    def _set(self) -> None:
        modes.grad_enabled = self.mode

    def clone(self) -> Self:
        before = modes.grad_enabled
        made = type(self)(self.mode)
        modes.grad_enabled = before
        made._outside = (before, modes.inference)
        return made

    def __enter__(self) -> None:
        # The mode was set when the object was made: what to go back to is that of before.
        self._before.append(self._outside)
        self._set()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        modes.grad_enabled = self._outside[0]
        return super().__call__(function)

    def __str__(self) -> str:
        return f"set_grad_enabled(mode={self.mode})"

    __repr__ = __str__


class inference_mode(_Mode):
    """Like `no_grad`; with `mode=False`, inference mode is off in the region."""

    def __new__(cls, mode: Any = True) -> Any:
        if mode is not True and callable(mode):
            return cls()(mode)
        return object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self._before = []
        self.mode = bool(mode)

    def _set(self) -> None:
        modes.inference = self.mode
        if self.mode:
            modes.grad_enabled = False

    def clone(self) -> Self:
        return type(self)(self.mode)


class set_multithreading_enabled(_Mode):
    """Accepted: backward passes here run in the thread that asks for them."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)

    def _set(self) -> None:
        pass

    def clone(self) -> Self:
        return type(self)(self.mode)
