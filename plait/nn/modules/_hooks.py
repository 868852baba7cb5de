"""Hooks of modules: registering them, for one or for all modules, and running them in calls.

Every `register_*` function returns a `RemovableHandle`. Hooks for all modules run before a module's
own.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.nn.modules._backward_hooks import BackwardHook
from plait.nn.modules._fields import ModuleFields
from plait.utils.hooks import RemovableHandle

_global_forward_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Any] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Any] = OrderedDict()
_global_buffer_registration_hooks: OrderedDict[int, Any] = OrderedDict()
_global_module_registration_hooks: OrderedDict[int, Any] = OrderedDict()
_global_parameter_registration_hooks: OrderedDict[int, Any] = OrderedDict()

#: Which kind of backward hook stands for all modules: full, old, or none.
_global_is_full_backward_hook: bool | None = None


def _register(
    hooks: dict[int, Any],
    hook: Any,
    marks: tuple[dict[int, bool], ...] = (),
    prepend: bool = False,
) -> RemovableHandle:
    """Add `hook` to `hooks`, and its id to each of `marks`; the handle removes it from all."""
    handle = RemovableHandle(hooks, extra_dict=list(marks) or None)
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)  # type: ignore[attr-defined]  # an OrderedDict
    return handle


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` at each `register_buffer`; a result replaces the buffer."""
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` at each registration; a result replaces it."""
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, param)` at each registration; a result replaces the parameter."""
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, args)` before every module's forward; a result replaces the args."""
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after every forward; a result replaces the output."""
    marks = []
    if with_kwargs:
        marks.append(_global_forward_hooks_with_kwargs)
    if always_call:
        marks.append(_global_forward_hooks_always_called)
    return _register(_global_forward_hooks, hook, tuple(marks))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_output)` before every module's backward."""
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in every module's backward."""
    return _register_global_backward(hook, full=True)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The old form of `register_module_full_backward_hook`, with the same effect."""
    return _register_global_backward(hook, full=False)


def _register_global_backward(hook: Callable[..., Any], full: bool) -> RemovableHandle:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise error(
            RuntimeError,
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them.",
        )
    _global_is_full_backward_hook = full
    return _register(_global_backward_hooks, hook)


class HookMixin(ModuleFields):
    """The part of `Module` that registers hooks and runs them around `forward`."""

    forward: Callable[..., Any]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; a result replaces the positional arguments.

        With `with_kwargs`: `hook(module, args, kwargs)`, result None or `(args, kwargs)`.
        """
        marks = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return _register(self._forward_pre_hooks, hook, marks, prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; a result replaces the output.

        With `with_kwargs`: `hook(module, args, kwargs, output)`. With `always_call` the hook runs
        also when forward raises (output None then).
        """
        marks = []
        if with_kwargs:
            marks.append(self._forward_hooks_with_kwargs)
        if always_call:
            marks.append(self._forward_hooks_always_called)
        return _register(self._forward_hooks, hook, tuple(marks), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward; a result replaces it."""
        return _register(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)`; a result replaces `grad_input`."""
        self._set_backward_kind(full=True)
        return _register(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The old form of `register_full_backward_hook`, with the same effect."""
        self._set_backward_kind(full=False)
        return _register(self._backward_hooks, hook)

    def _set_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise error(
                RuntimeError,
                "Cannot use both regular backward hooks and full backward hooks on a "
                "single Module. Please use only one of them.",
            )
        self._is_full_backward_hook = full

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run forward with all hooks around it; always-called hooks run even when it raises."""
        call = _HookedCall(self, args, kwargs)
        try:
            return call.run()
        except Exception:
            call.run_remaining_always_called()
            raise


class _HookedCall:
    """One call of a module with hooks: the arguments and the result as hooks change them."""

    def __init__(self, module: HookMixin, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        module = self.module
        self._run_pre_hooks()
        hooks = [*_global_backward_hooks.values(), *module._backward_hooks.values()]
        pre_hooks = [*_global_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
        backward = BackwardHook(module, hooks, pre_hooks) if hooks or pre_hooks else None
        if backward is not None:
            self.args = backward.setup_input(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        for hook_id, hook, with_kwargs, always in self._forward_hooks():
            if always:
                self.called.add(hook_id)
            self._run_forward_hook(hook, with_kwargs)
        if backward is not None:
            self.result = backward.setup_output(self.result)
        return self.result

    def _run_pre_hooks(self) -> None:
        module = self.module
        for hook in list(_global_forward_pre_hooks.values()):
            self._replace_args(hook(module, self.args))
        for hook_id, hook in list(module._forward_pre_hooks.items()):
            if hook_id not in module._forward_pre_hooks_with_kwargs:
                self._replace_args(hook(module, self.args))
                continue
            replaced = hook(module, self.args, self.kwargs)
            if replaced is None:
                continue
            if not isinstance(replaced, tuple) or len(replaced) != 2:
                raise error(
                    RuntimeError,
                    "forward pre-hook must return None or a tuple "
                    f"of (new_args, new_kwargs), but got {replaced}.",
                )
            self.args, self.kwargs = replaced

    def _replace_args(self, replaced: Any) -> None:
        if replaced is not None:
            self.args = replaced if isinstance(replaced, tuple) else (replaced,)

    def _forward_hooks(self) -> list[tuple[int, Any, bool, bool]]:
        """`(id, hook, wants kwargs, always called)` of all forward hooks, global ones first."""
        module = self.module
        listed = []
        for hooks, with_kwargs, always in (
            (
                _global_forward_hooks,
                _global_forward_hooks_with_kwargs,
                _global_forward_hooks_always_called,
            ),
            (
                module._forward_hooks,
                module._forward_hooks_with_kwargs,
                module._forward_hooks_always_called,
            ),
        ):
            listed += [(i, hook, i in with_kwargs, i in always) for i, hook in hooks.items()]
        return listed

    def _run_forward_hook(self, hook: Any, with_kwargs: bool) -> None:
        if with_kwargs:
            replaced = hook(self.module, self.args, self.kwargs, self.result)
        else:
            replaced = hook(self.module, self.args, self.result)
        if replaced is not None:
            self.result = replaced

    def run_remaining_always_called(self) -> None:
        """After an exception: run the always-called hooks that have not run, silencing theirs."""
        for hook_id, hook, with_kwargs, always in self._forward_hooks():
            if not always or hook_id in self.called:
                continue
            try:
                self._run_forward_hook(hook, with_kwargs)
            except Exception as fault:
                kind = "global module" if hook_id in _global_forward_hooks else "module"
                warnings.warn(
                    f"{kind} forward hook with ``always_call=True`` raised an exception "
                    f"that was silenced as another error was raised in forward: {fault}",
                    stacklevel=2,
                )
