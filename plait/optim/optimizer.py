"""The base of all optimizers: parameter groups, state, hooks, saving and loading.

Takes parameters (tensors, named pairs, or dicts of options per group) and default options; gives
the PyTorch interface on them. An optimizer proper subclasses it and writes `step`.
"""

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

from plait.core.ir.dtypes import float32
from plait.core.ir.errors import error
from plait.core.lazy.capture import watch
from plait.core.lazy.modes import grad_mode
from plait.core.lazy.replay.tidy import tidy
from plait.utils.hooks import RemovableHandle

__all__ = [
    "Optimizer",
    "ParamsT",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

ParamsT: TypeAlias = Iterable[Any] | Iterable[dict[str, Any]] | Iterable[tuple[str, Any]]
_params_t: TypeAlias = ParamsT
StateDict: TypeAlias = dict[str, Any]


class _RequiredParameter:
    """A default option that has no value: each group must bring its own."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

_global_optimizer_pre_hooks: dict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: dict[int, Callable] = OrderedDict()

_HOOK_TABLES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every optimizer's `step`."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every optimizer's `step`."""
    return _register(_global_optimizer_post_hooks, hook)


def _register(table: Any, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _tensor_type() -> Any:
    from plait._tensor import Tensor  # not at the top: the face imports this module

    return Tensor


def _type_name(value: Any) -> str:
    """A value's type as PyTorch's messages name it: `torch.FloatTensor`, `numpy.ndarray`."""
    if isinstance(value, _tensor_type()):
        return value.type()
    cls = type(value)
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def _to_scalar(value: Any) -> Any:
    """A one-element tensor as one of shape (), so that `fill_` takes it; else `value` itself."""
    if isinstance(value, _tensor_type()) and value.dim() != 0:
        return value.squeeze()
    return value


def _with_step_hooks(step: Callable) -> Callable:
    """`step` with the registered hooks around it."""
    computes = getattr(step, "computes", False)

    @functools.wraps(step)
    def hooked_step(self: "Optimizer", *args: Any, **kwargs: Any) -> Any:
        full_args: Any = (self, *args)
        for hook in chain(
            _global_optimizer_pre_hooks.values(), self._optimizer_step_pre_hooks.values()
        ):
            result = hook(self, full_args, kwargs)
            if result is None:
                continue
            if not (isinstance(result, tuple) and len(result) == 2):
                raise error(
                    RuntimeError,
                    f"{step} must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {result}.",
                )
            full_args, kwargs = result
        value = step(*full_args, **kwargs)
        if not computes:
            self._compute_step()
        for hook in chain(
            self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()
        ):
            hook(self, full_args, kwargs)
        return value

    hooked_step.hooked = True  # type: ignore[attr-defined]  # a mark that PyTorch's code reads too
    return hooked_step


class Optimizer:
    """Base class of optimizers.

    params: an iterable of tensors, of (name, tensor) pairs, or of dicts with key `params` and
    options that hold for that group. defaults: options of groups that do not give their own.
    Raises TypeError for a bare tensor or a non-tensor, ValueError for an empty list, a tensor that
    is not a leaf, or one that occurs in two groups.
    """

    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._ensure_hooks()
        if isinstance(params, _tensor_type()):
            raise error(
                TypeError,
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {_type_name(params)}",
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []

        groups: list[Any] = list(params)
        if not groups:
            raise error(ValueError, "optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _ensure_hooks(self) -> None:
        """Make hook tables where they lack (unpickled objects), wrap `step` once per class."""
        for table in _HOOK_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = _with_step_hooks(cls.step)

    def __getstate__(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._ensure_hooks()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once; `closure` re-evaluates the model and gives the loss."""
        raise NotImplementedError

    def _compute_step(self) -> None:
        """Compute, in one run, what a user-written `step` has recorded on parameters and state."""
        from plait.core.lazy.capture import current
        from plait.core.lazy.cell import compute_all  # not at the top: see _tensor_type

        if current() is not None:
            return  # a compiled step is computed as a whole
        tensor_type = _tensor_type()
        held = [param for group in self.param_groups for param in group["params"]]
        for state in self.state.values():
            values = state.values() if isinstance(state, dict) else ()
            held += [value for value in values if isinstance(value, tensor_type)]
        compute_all([tensor.storage_cell for tensor in held])

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` set them to zero in place."""
        tidy()
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    if watch.active is None:
                        param._grad = None
                    else:
                        param.grad = None  # a capture wants to know
                    continue
                if param.grad is None:
                    continue
                if param.grad.grad_fn is not None:
                    param.grad.detach_()
                else:
                    param.grad.requires_grad_(False)
                param.grad.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: a dict with `params` and options; defaults fill what it does not name."""
        if not isinstance(param_group, dict):
            raise error(TypeError, f"param_group must be a dict, but got {type(param_group)}")
        _normalise_params(param_group)
        self._check_params(param_group["params"])
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise error(
                    ValueError,
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}",
                )
            param_group.setdefault(name, default)
        self._check_against_other_groups(param_group)
        self.param_groups.append(param_group)

    def _check_params(self, params: list[Any]) -> None:
        tensor_type = _tensor_type()
        for param in params:
            if not isinstance(param, tensor_type):
                raise error(
                    TypeError,
                    "optimizer can only optimize Tensors, but one of the params is "
                    f"{_type_name(param)}",
                )
            if not self.defaults.get("differentiable") and not (
                param.is_leaf or param.retains_grad
            ):
                raise error(ValueError, "can't optimize a non-leaf Tensor")

    def _check_against_other_groups(self, param_group: dict[str, Any]) -> None:
        ids = {id(param) for param in param_group["params"]}
        if len(ids) != len(param_group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                stacklevel=4,
            )
        named = "param_names" in param_group
        for group in self.param_groups:
            if named != ("param_names" in group):
                raise error(
                    ValueError,
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if named else 'without'} names to the optimizer",
                )
        if any(id(param) in ids for group in self.param_groups for param in group["params"]):
            raise error(ValueError, "some parameters appear in more than one parameter group")

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before `step`; it may give new (args, kwargs)."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after `step`."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may give another dict."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may give another dict."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def state_dict(self) -> StateDict:
        """State and options as plain data: parameters are named by their number over all groups."""
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        numbers: dict[int, int] = {}
        packed_groups = []
        first = 0
        for group in self.param_groups:
            for number, param in enumerate(group["params"], first):
                numbers.setdefault(id(param), number)
            first += len(group["params"])
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            packed_groups.append(packed)

        tensor_type = _tensor_type()
        packed_state = {
            numbers[id(key)] if isinstance(key, tensor_type) else key: value
            for key, value in self.state.items()
        }
        state_dict: StateDict = {"state": packed_state, "param_groups": packed_groups}
        for post_hook in self._optimizer_state_dict_post_hooks.values():
            result = post_hook(self, state_dict)
            if result is not None:
                state_dict = result
        return state_dict

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over a `state_dict`; its parameters are matched to ours by their order.

        State tensors are cast to their parameter's dtype and device, except `step`. Raises
        ValueError if the groups differ in number or size; nothing has changed then.
        """
        state_dict = state_dict.copy()  # hooks may edit it; the caller's stays as it is
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = pre_hook(self, state_dict)
            if result is not None:
                state_dict = result

        saved_groups = deepcopy(state_dict["param_groups"])
        _check_same_sizes(self.param_groups, saved_groups)
        param_of = {
            number: param
            for saved, group in zip(saved_groups, self.param_groups)
            for number, param in zip(saved["params"], group["params"])
        }
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in param_of:
                step_to_float = _steps_on_device(saved_groups, key)
                state[param_of[key]] = _cast_state(param_of[key], value, step_to_float)
            else:
                state[key] = value

        for saved, group in zip(saved_groups, self.param_groups):
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)


def _normalise_params(param_group: dict[str, Any]) -> None:
    """Make `params` a list of tensors, and `param_names` of the names where they come as pairs."""
    params = param_group["params"]
    if isinstance(params, _tensor_type()):
        params = [params]
    elif isinstance(params, set):
        raise error(
            TypeError,
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead.",
        )
    params = list(params)
    names = [entry[0] for entry in params if isinstance(entry, tuple)]
    if names and len(names) != len(params):
        raise error(
            ValueError,
            "all optimizer params should be with/without names. Some param names are missing",
        )
    held = [entry[1] if isinstance(entry, tuple) else entry for entry in params]
    # Variables of TensorFlow and Keras have memory that is a tensor.
    param_group["params"] = [
        p._as_torch_tensor() if hasattr(p, "_as_torch_tensor") else p for p in held
    ]
    if names:
        param_group["param_names"] = names


def _check_same_sizes(groups: list[dict], saved_groups: list[dict]) -> None:
    if len(groups) != len(saved_groups):
        raise error(ValueError, "loaded state dict has a different number of parameter groups")
    for group, saved in zip(groups, saved_groups):
        if len(group["params"]) != len(saved["params"]):
            raise error(
                ValueError,
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group",
            )


def _steps_on_device(saved_groups: list[dict], number: Any) -> bool:
    """Whether the group of this parameter keeps `step` as a float tensor beside the parameter."""
    for group in saved_groups:
        if number in group["params"]:
            return bool(group.get("fused") or group.get("capturable"))
    return False


def _cast_state(param: Any, value: Any, step_to_float: bool, key: Any = None) -> Any:
    """`value` with every tensor in it cast as PyTorch casts loaded state for `param`."""
    if isinstance(value, _tensor_type()):
        if key == "step":
            # A step count in float16 would stop at 2048: it keeps its own dtype.
            if step_to_float:
                return value.to(dtype=float32, device=param.device)
            return value
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device)
        return value.to(device=param.device)
    if isinstance(value, dict):
        return {k: _cast_state(param, v, step_to_float, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return type(value)(_cast_state(param, item, step_to_float) for item in value)  # type: ignore[call-arg]  # list, tuple, deque, set: all take an iterable
    return value


def _default_to_fused_or_foreach(
    params: list[Any], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Whether PyTorch would choose (fused, foreach) by itself: neither, on a CPU."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """Devices whose steps can be captured; the CPU is not among PyTorch's."""
    return ["cuda", "xpu", "hpu", *(["xla"] if supports_xla else [])]


def _use_grad_for_differentiable(step: Callable) -> Callable:
    """An optimizer's `step` with gradients recorded as its `differentiable` says."""

    @functools.wraps(step)
    def call(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with grad_mode(bool(self.defaults.get("differentiable"))):
            return step(self, *args, **kwargs)

    return call
