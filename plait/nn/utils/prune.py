"""Pruning: parts of a parameter held at zero by a mask.

A pruned parameter `name` becomes the parameter `name_orig` and the buffer `name_mask`; a forward
pre-hook, the pruning method itself, sets the attribute `name` to their product before every call.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.modules import Module
from plait.nn.utils.convert_parameters import parameters_to_vector

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class BasePruningMethod(ABC):
    """A way of pruning. Subclasses set PRUNING_TYPE and define `compute_mask`.

    PRUNING_TYPE says what a second pruning of the same parameter looks at: "unstructured" the
    entries left over, "structured" the channels left over along the attribute `dim`, "global" all.
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for scores `t`, 1 where the entry stays; `default_mask` is that of before."""

    def apply_mask(self, module: Module) -> Tensor:
        """The pruned tensor."""
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls,
        module: Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:
        """Prune the parameter `name` of a module, further where it is pruned already.

        importance_scores: what the mask is computed from, by default the parameter; same shape.
        Other arguments are the method's. Returns the hook that is now in force.
        """
        method = cls._joined(module, name, cls(*args, **kwargs))
        original = getattr(module, name)
        scores: Tensor = original if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise error(
                AssertionError,
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {scores.shape} vs {original.shape}",
            )
        first = not isinstance(method, PruningContainer)
        if first:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            before = plait.ones_like(original)
        else:
            before = getattr(module, name + "_mask").detach().clone()
        try:
            mask = method.compute_mask(scores, default_mask=before)
            module.register_buffer(name + "_mask", mask)
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if first:  # leave the module as it was
                module.register_parameter(name, getattr(module, name + "_orig"))
                del module._parameters[name + "_orig"]
            raise
        return method

    @staticmethod
    def _joined(module: Module, name: str, method: BasePruningMethod) -> BasePruningMethod:
        """The method, or a container of it and the one that prunes the parameter by now."""
        method._tensor_name = name
        found = [
            (key, hook)
            for key, hook in module._forward_pre_hooks.items()
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
        ]
        if len(found) > 1:
            raise error(
                AssertionError,
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module "
                f"{module}. Use a PruningContainer.",
            )
        if not found:
            return method
        key, old = found[0]
        del module._forward_pre_hooks[key]
        container = old if isinstance(old, PruningContainer) else PruningContainer(old)
        container.add_pruning_method(method)
        return container

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """A pruned copy of a tensor, without any module."""
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise error(
                AssertionError,
                "importance_scores should have the same shape as tensor t, got "
                f"{importance_scores.shape} vs {t.shape}",
            )
        before = plait.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(importance_scores, default_mask=before)

    def remove(self, module: Module) -> None:
        """Make the pruned value the parameter's for good; the hook stays to the caller."""
        name = self._tensor_name
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters[name + "_orig"]
        original.data = pruned.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods that prune one parameter after another; each sees what those before have left."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """One more method. Raises TypeError for anything else, ValueError where it prunes another
        parameter."""
        if not isinstance(method, BasePruningMethod):
            raise error(TypeError, f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise error(
                ValueError,
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. "
                f"Found '{method._tensor_name}'",
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last method on what is left, joined with that of before."""
        method: Any = self._pruning_methods[-1]
        left = _left_over(method, t, default_mask)
        mask = default_mask.to(dtype=t.dtype, copy=True)
        part = method.compute_mask(t[left], default_mask=default_mask[left])
        mask[left] = part.to(dtype=mask.dtype)
        return mask


def _left_over(method: Any, t: Tensor, mask: Tensor) -> Any:
    """The index of what a further method may prune."""
    everything = [slice(None)] * t.dim()
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "global":
        return tuple(everything)
    if method.PRUNING_TYPE != "structured":
        raise error(ValueError, f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    if not hasattr(method, "dim"):
        raise error(
            AttributeError,
            'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` '
            "defined.",
        )
    dim = method.dim + t.dim() if method.dim < 0 else method.dim
    if dim < 0:
        raise error(IndexError, f"Index is out of bounds for tensor with dimensions {t.dim()}")
    others = [axis for axis in range(t.dim()) if axis != dim]
    index: list[Any] = everything
    index[dim] = mask.sum(dim=others) != 0
    return tuple(index)


# -- the methods ----------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing; the parameter gets its mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of before."""
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Any:  # type: ignore[override]  # as PyTorch's
        """See `BasePruningMethod.apply`."""
        return super().apply(module, name)


class _Amount(BasePruningMethod):
    """A method that prunes `amount`: a number of entries, or a share of them in [0, 1]."""

    def __init__(self, amount: float) -> None:
        if not isinstance(amount, numbers.Real):
            raise error(TypeError, f"Invalid type for amount: {amount}. Must be int or float.")
        whole = isinstance(amount, numbers.Integral)
        if amount < 0 or (not whole and amount > 1):
            raise error(
                ValueError,
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer",
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        """How many of so many. Raises ValueError for more than there are."""
        if not isinstance(self.amount, numbers.Integral):
            return round(self.amount * size)
        if self.amount > size:
            raise error(
                ValueError,
                f"amount={self.amount} should be smaller than the number of parameters to "
                f"prune={size}",
            )
        return int(self.amount)


class RandomUnstructured(_Amount):
    """Prunes entries at random."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Zeros where random numbers are greatest."""
        count = self._count(t.nelement())
        mask = default_mask.clone(memory_format=plait.contiguous_format)
        if count:
            drawn = plait.rand_like(t).view(-1)
            mask.view(-1)[plait.topk(drawn, k=count).indices] = 0
        return mask

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> Any:  # type: ignore[override]  # as PyTorch's
        """See `BasePruningMethod.apply`."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(_Amount):
    """Prunes the entries of least absolute value."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Zeros at the least absolute values."""
        count = self._count(t.nelement())
        mask = default_mask.clone(memory_format=plait.contiguous_format)
        if count:
            least = plait.topk(t.abs().reshape(-1), k=count, largest=False).indices
            mask.view(-1)[least] = 0
        return mask

    @classmethod
    def apply(  # type: ignore[override]  # as PyTorch's
        cls, module: Module, name: str, amount: float, importance_scores: Tensor | None = None
    ) -> Any:
        """See `BasePruningMethod.apply`."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(_Amount):
    """A method that prunes whole channels along `dim`."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _channels(self, t: Tensor) -> tuple[int, int]:
        """How many channels there are, and how many to prune."""
        if t.dim() <= 1:
            raise error(
                ValueError,
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {t.shape} with {t.dim()} dims",
            )
        if self.dim >= t.dim():
            raise error(IndexError, f"Invalid index {self.dim} for tensor of size {t.shape}")
        size = t.shape[self.dim]
        return size, self._count(size)

    def _keeping(self, t: Tensor, channels: Tensor, default_mask: Tensor) -> Tensor:
        """The mask that keeps channels, of a boolean vector or of indices."""
        mask = plait.zeros_like(t)
        index: list[Any] = [slice(None)] * t.dim()
        index[self.dim] = channels
        mask[tuple(index)] = 1
        mask *= default_mask.to(dtype=mask.dtype)
        return mask


class RandomStructured(_Structured):
    """Prunes channels at random."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Zeros in the channels whose random numbers are least."""
        size, count = self._channels(t)
        if not count:
            return default_mask
        drawn = plait.rand(size)
        threshold = plait.kthvalue(drawn, k=count).values
        return self._keeping(t, drawn > threshold, default_mask)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float, dim: int = -1) -> Any:  # type: ignore[override]  # as PyTorch's
        """See `BasePruningMethod.apply`."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prunes the channels of least n-norm."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Zeros in the channels of least norm."""
        size, count = self._channels(t)
        others = [axis for axis in range(t.dim()) if axis != self.dim % t.dim()]
        norm = plait.norm(t, p=self.n, dim=others)
        kept = plait.topk(norm, k=size - count, largest=True).indices
        return self._keeping(t, kept, default_mask) if count else default_mask

    @classmethod
    def apply(  # type: ignore[override]  # as PyTorch's
        cls,
        module: Module,
        name: str,
        amount: float,
        n: Any,
        dim: int,
        importance_scores: Tensor | None = None,
    ) -> Any:
        """See `BasePruningMethod.apply`."""
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Prunes by a given mask."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The given mask and that of before."""
        if default_mask.shape != self.mask.shape:
            raise error(
                AssertionError,
                f"the mask has shape {self.mask.shape}, the parameter {default_mask.shape}",
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> Any:  # type: ignore[override]  # as PyTorch's
        """See `BasePruningMethod.apply`."""
        return super().apply(module, name, mask=mask)


# -- the functions: each prunes and returns the module --------------------------------------------


def identity(module: Module, name: str) -> Module:
    """Give a parameter a mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune `amount` entries at random: a number of them, or a share in [0, 1]."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> Module:
    """Prune the `amount` entries of least absolute value, or least score."""
    L1Unstructured.apply(module, name, amount, importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune `amount` channels along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prune the `amount` channels along `dim` of least n-norm, of the parameter or of scores."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune by a mask: ones stay."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any,
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters together, as if they were one vector.

    Args:
        parameters: pairs (module, name).
        pruning_method: a class of unstructured pruning; `kwargs` are its arguments.
        importance_scores: for some of the pairs, what to go by in the parameter's place.

    Raises TypeError for other arguments or a structured method.
    """
    if not isinstance(parameters, Iterable):
        raise error(TypeError, "global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise error(TypeError, "global_unstructured(): importance_scores must be of type dict")
    pairs: Any = parameters
    values: list[Tensor] = [getattr(module, name) for module, name in pairs]
    masks: list[Any] = [getattr(module, name + "_mask", None) for module, name in pairs]
    all_scores = parameters_to_vector(
        [scores.get((module, name), v) for (module, name), v in zip(pairs, values)]
    )
    before = parameters_to_vector(
        [plait.ones_like(v) if mask is None else mask for mask, v in zip(masks, values)]
    )
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise error(
            TypeError,
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}",
        )
    mask = PruningContainer(method).compute_mask(all_scores, before)
    parts = mask.split([v.numel() for v in values])
    for (module, name), value, part in zip(pairs, values, parts):
        custom_from_mask(module, name, mask=part.view_as(value))


def remove(module: Module, name: str) -> Module:
    """Make a parameter's pruning final: no mask, no hook. Raises ValueError if it is not pruned."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise error(
        ValueError,
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed",
    )


def is_pruned(module: Module) -> bool:
    """Whether a module or one inside it is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for inner in module.modules()
        for hook in inner._forward_pre_hooks.values()
    )
