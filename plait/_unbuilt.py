"""Names of PyTorch that Plait does not have yet: using one says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from plait.core.ir.errors import error

#: Methods of PyTorch's tensors that Plait's have not: other sparse layouts, whole-number networks.
TENSOR_METHODS = frozenset(
    [
        "ccol_indices",
        "chalf",
        "dequantize",
        "int_repr",
        "q_scale",
        "q_zero_point",
        "qscheme",
        "row_indices",
        "smm",
        "sparse_mask",
        "sparse_resize_",
        "sparse_resize_and_clear_",
        "sspaddmm",
        "to_mkldnn",
        "to_padded_tensor",
        "to_sparse_bsc",
        "to_sparse_bsr",
        "to_sparse_csc",
    ]
)


class NotBuilt(NotImplementedError, AttributeError):
    """A known name without an implementation; an AttributeError too, so that `hasattr` is False."""


def unbuilt(module: str, names: Iterable[str]) -> Callable[[str], Any]:
    """A module's `__getattr__`: NotBuilt for these names, AttributeError for any other."""
    known = frozenset(names)

    def missing(name: str) -> Any:
        if name in known:
            raise NotBuilt(f"{module}.{name} is not built in Plait yet")
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return missing


def not_built(what: str) -> Exception:
    """The NotImplementedError for a function or an option that Plait does not have yet."""
    return error(NotImplementedError, f"{what} is not built in Plait yet")
