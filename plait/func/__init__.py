"""Functions of functions (`torch.func`): derivatives and `vmap`, which all compose."""

from plait._unbuilt import unbuilt
from plait.func._differentiation import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from plait.func._modules import (
    functional_call,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from plait.func._vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]

__getattr__ = unbuilt("torch.func", ("debug_unwrap", "functionalize"))
