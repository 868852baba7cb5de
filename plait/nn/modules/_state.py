"""Saving and loading the state of a module tree: `state_dict` and `load_state_dict`.

Loading is transactional: everything that can be refused is checked before the first value is
written, so a `load_state_dict` that raises leaves all parameters and buffers as they were.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.modules._fields import ModuleFields
from plait.nn.modules._hooks import _register
from plait.nn.parameter import Parameter, is_lazy
from plait.utils.hooks import RemovableHandle

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"

#: The key of `local_metadata` under which a load collects its writes (see `_load_from_state_dict`).
_PENDING = "pending_writes"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns: the keys that did not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _Copy:
    """Copy `value` into `target`, in place."""

    def __init__(self, target: Tensor, value: Tensor) -> None:
        self.target = target
        self.value = value

    def apply(self) -> None:
        with plait.no_grad():
            self.target.copy_(self.value)

    def snapshot(self) -> Callable[[], None]:
        """A function that takes the write back."""
        previous = self.target.detach().clone()
        return _Copy(self.target, previous).apply


class _Assign:
    """Put `value` in the place of a parameter or buffer."""

    def __init__(self, module: Any, name: str, value: Tensor) -> None:
        self.module = module
        self.name = name
        self.value = value

    def apply(self) -> None:
        setattr(self.module, self.name, self.value)

    def snapshot(self) -> Callable[[], None]:
        """A function that takes the write back."""
        return _Assign(self.module, self.name, getattr(self.module, self.name)).apply


class _SetExtra:
    """Hand a module the extra state that its `get_extra_state` once gave."""

    def __init__(self, module: Any, value: Any) -> None:
        self.module = module
        self.value = value

    def apply(self) -> None:
        self.module.set_extra_state(self.value)

    def snapshot(self) -> Callable[[], None]:
        """A function that takes the write back."""
        return _SetExtra(self.module, self.module.get_extra_state()).apply


class _Load(NamedTuple):
    """One `load_state_dict` under way: what to write, what did not match, what is refused."""

    writes: list[_Copy | _Assign | _SetExtra]
    missing: list[str]
    unexpected: list[str]
    errors: list[str]


class StateMixin(ModuleFields):
    """The part of `Module` that turns a tree into a flat dict of tensors and back."""

    def get_extra_state(self) -> Any:
        """State beside parameters and buffers to store; a class that has some overrides this."""
        raise error(
            RuntimeError,
            "Module.get_extra_state() was reached: a class that is given extra state must "
            "define it",
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave; overridden together with it."""
        raise error(
            RuntimeError,
            "Module.set_extra_state() was reached: a class that is given extra state must "
            "define it",
        )

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the module's state is collected."""
        return _register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after; it edits in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]  # functions carry attributes
        return _register(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Like `register_state_dict_post_hook`; a result other than None replaces the dict."""
        if getattr(hook, "_from_public_api", False):
            raise error(
                RuntimeError,
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook",
            )
        return _register(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before the module's state is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return _register(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it edits the lists in place."""
        return _register(self._load_state_dict_post_hooks, hook)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own parameters and persistent buffers into `destination`."""
        persistent = {
            name: buffer
            for name, buffer in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        }
        for name, tensor in [*self._parameters.items(), *persistent.items()]:
            if tensor is not None:
                destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if type(self).get_extra_state is not StateMixin.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """An ordered dict of all parameters and persistent buffers by dotted name.

        The tensors share storage with the module's and are detached unless `keep_vars`. The dict's
        `_metadata` holds each module's format version.
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            positional = dict(zip(("destination", "prefix", "keep_vars"), args))
            destination = positional.get("destination", destination)
            prefix = positional.get("prefix", prefix)
            keep_vars = positional.get("keep_vars", keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if replaced is not None:
                    raise error(RuntimeError, "state_dict post-hook must return None")
            elif replaced is not None:
                destination = replaced
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the tensors of `state_dict` into parameters and buffers of the same names.

        `strict` makes missing and unexpected keys errors; `assign` puts the given tensors in the
        place of the module's instead of copying. Returns the keys that did not match. A
        RuntimeError lists everything that does not fit, and then nothing has been changed.
        """
        if not isinstance(state_dict, Mapping):
            raise error(TypeError, f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        entries: Any = OrderedDict(state_dict)  # hooks and `_load_from_state_dict` may edit it
        if metadata is not None:
            entries._metadata = metadata
        load = _Load([], [], [], [])
        visited = self._collect_load(entries, "", metadata or {}, assign, load)
        hooks = [(m, h) for m in visited for h in m._load_state_dict_post_hooks.values()]
        undo: list[Callable[[], None]] = []
        if not load.errors and (hooks or not strict or not (load.missing or load.unexpected)):
            undo = _write(load, keep_undo=strict and bool(hooks))
        _run_post_hooks(hooks, load)
        errors = [*_key_errors(load), *load.errors] if strict else load.errors
        if errors:
            for take_back in reversed(undo):
                take_back()
            listed = "\n\t".join(errors)
            raise error(
                RuntimeError,
                f"Error(s) in loading state_dict for {self.__class__.__name__}:\n\t{listed}",
            )
        return _IncompatibleKeys(load.missing, load.unexpected)

    def _collect_load(
        self, entries: Any, prefix: str, metadata: Any, assign: bool, load: _Load
    ) -> list[Any]:
        """Check the subtree against `entries`; returns its modules, children before parents."""
        local_metadata = dict(metadata.get(prefix[:-1], {}))
        local_metadata[_PENDING] = load.writes
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        self._load_from_state_dict(
            entries, prefix, local_metadata, True, load.missing, load.unexpected, load.errors
        )
        visited = []
        for name, child in self._modules.items():
            if child is not None:
                child_prefix = f"{prefix}{name}."
                inside = OrderedDict(
                    (key, value) for key, value in entries.items() if key.startswith(child_prefix)
                )
                visited += child._collect_load(inside, child_prefix, metadata, assign, load)
        visited.append(self)
        return visited

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors (not its children's) from the keys under `prefix`.

        Within `load_state_dict` the writes are collected in `local_metadata` and done when the
        whole tree has been checked; called by itself, this method writes at once what fits.
        """
        for hook, with_module in list(self._load_state_dict_pre_hooks.values()):
            leading = (self,) if with_module else ()
            hook(
                *leading,
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        pending = local_metadata.get(_PENDING)
        writes = [] if pending is None else pending
        assign = local_metadata.get("assign_to_params_buffers", False)
        local_state = self._local_state()
        for name, target in local_state.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            write = _plan_write(self, name, key, target, state_dict[key], assign, error_msgs)
            if write is not None:
                writes.append(write)
        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not StateMixin.set_extra_state:
            if extra_key in state_dict:
                writes.append(_SetExtra(self, state_dict[extra_key]))
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            self._find_unexpected(state_dict, prefix, local_state, unexpected_keys)
        if pending is None:
            for write in writes:
                write.apply()

    def _local_state(self) -> dict[str, Tensor]:
        members = dict(self._parameters)
        for name, buffer in self._buffers.items():
            if name not in self._non_persistent_buffers_set:
                members[name] = buffer
        return {name: tensor for name, tensor in members.items() if tensor is not None}

    def _find_unexpected(
        self, state_dict: Any, prefix: str, local_state: Any, unexpected_keys: list[str]
    ) -> None:
        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        for key in state_dict:
            if not key.startswith(prefix) or key == extra_key:
                continue
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (self._modules if dot else local_state):
                unexpected_keys.append(key)


def _plan_write(
    module: Any,
    name: str,
    key: str,
    target: Tensor,
    value: Any,
    assign: bool,
    error_msgs: list[str],
) -> _Copy | _Assign | None:
    """The write that loads `value` into `target`, or None after adding to `error_msgs`."""
    if not isinstance(value, Tensor):
        error_msgs.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
        return None
    waits_for_shape = is_lazy(target)
    if not waits_for_shape and target.dim() == 0 and tuple(value.shape) == (1,):
        value = value[0]  # the oldest checkpoints store scalars with one axis
    if not waits_for_shape and value.shape != target.shape:
        error_msgs.append(
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
        return None
    if assign:
        if isinstance(target, Parameter):
            if isinstance(value, Parameter):
                value.requires_grad_(target.requires_grad)
            else:
                value = Parameter(value, requires_grad=target.requires_grad)
        return _Assign(module, name, value)
    if target.is_meta and not value.is_meta:
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter "
            "in the current model, which is a no-op. (Did you mean to pass `assign=True` to assign "
            "items in the state dictionary to their corresponding key in the module instead of "
            "copying them in place?)",
            stacklevel=2,
        )
        return None
    try:
        # The cast, the only step of a copy between equal shapes that can fail, is made beforehand.
        value = value.detach().to(device=target.device, dtype=target.dtype)
    except Exception as fault:
        error_msgs.append(
            f'While copying the parameter named "{key}", '
            f"whose dimensions in the model are {target.size()} and "
            f"whose dimensions in the checkpoint are {value.size()}, "
            f"an exception occurred : {fault.args}."
        )
        return None
    return _Copy(target, value)


def _write(load: _Load, keep_undo: bool) -> list[Callable[[], None]]:
    """Do all writes in order; what takes them back is returned if `keep_undo` (it holds copies)."""
    undo = []
    for write in load.writes:
        if keep_undo:
            undo.append(write.snapshot())
        write.apply()
    return undo


def _run_post_hooks(hooks: list[tuple[Any, Any]], load: _Load) -> None:
    incompatible = _IncompatibleKeys(load.missing, load.unexpected)
    for module, hook in hooks:
        if hook(module, incompatible) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                "expected to return new values, if incompatible_keys need to be modified, "
                "it should be done inplace."
            )


def _key_errors(load: _Load) -> list[str]:
    """The messages about keys that did not match, missing ones first."""
    messages = []
    for title, keys in (("Missing", load.missing), ("Unexpected", load.unexpected)):
        if keys:
            quoted = ", ".join(f'"{key}"' for key in keys)
            messages.append(f"{title} key(s) in state_dict: {quoted}. ")
    return messages
