"""The methods of Tensor that concern differentiation: requires_grad, grad, backward, hooks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from sys import getrefcount
from typing import Any
from weakref import ref

from plait.core.ir.errors import error
from plait.core.lazy import backward as differentiation
from plait.core.lazy.capture import current, watch
from plait.core.lazy.cell import ALONE
from plait.core.lazy.grad import add_hook
from plait.core.lazy.tensor import LazyTensor
from plait.core.lazy.views import is_contiguous
from plait.core.ops.look_up import is_rows, rows_of


class _Probe:
    """Counts the references to what is assigned to a property."""

    count = 0

    @property
    def data(self) -> int:
        return self.count

    @data.setter
    def data(self, value: Any) -> None:
        self.count = getrefcount(value)


def _references_of_a_temporary() -> int:
    """References to a value that is assigned to a property and that nothing else holds; 0 where a
    value that a variable holds has no more."""
    probe = _Probe()
    probe.data = object()
    alone = probe.count
    held = object()
    probe.data = held
    return alone if probe.count > alone else 0


_OF_A_TEMPORARY = _references_of_a_temporary()


def _is_all_there_is(view: LazyTensor) -> bool:
    """Whether a temporary view, in row-major order, is the only way to its memory: then it can be
    replaced by its value. Training is faster with parameters that are no views."""
    base, cell = view._base, view._cell
    if base is None or base._base is not None or base._requires_grad or base._cell is not cell:
        return False
    if cell.shared is not None or not is_contiguous(view._shape, view.memory().strides):
        return False
    # The base: its view and the local. The cell: those two tensors and the local.
    return getrefcount(base) <= ALONE and getrefcount(cell) <= ALONE + 1


class AutogradMethods(LazyTensor):
    """PyTorch's names for a tensor's place in autograd; `plait._tensor.Tensor` inherits them."""

    __slots__ = ()

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this tensor."""
        if watch.active is not None and (active := current()) is not None:
            active.flag(self)
        base = self._base
        if base is not None and base.requires_grad:
            return True
        return self._requires_grad or self._grad_fn is not None

    @requires_grad.setter
    def requires_grad(self, required: bool) -> None:
        self.requires_grad_(required)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set whether this leaf requires a gradient.

        Raises RuntimeError for integer tensors, and for a result of recorded operations.
        """
        if requires_grad and not self._dtype.is_differentiable:
            raise error(
                RuntimeError,
                "only Tensors of floating point and complex dtype can require gradients, received "
                f"{self._dtype}",
            )
        if not requires_grad and not self.is_leaf:
            raise error(
                RuntimeError,
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach().",
            )
        if self.is_leaf:
            if watch.active is not None and (active := current()) is not None:
                active.flag(self)
            self.require_grad(requires_grad)
        return self

    @property
    def grad(self) -> Any:
        """The accumulated gradient; None before the first backward pass."""
        if watch.active is not None and (active := current()) is not None:
            active.grad_read(self)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, LazyTensor):
                raise error(
                    TypeError,
                    f"assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}",
                )
            if value._shape != self._shape or value._dtype is not self._dtype:
                raise error(
                    RuntimeError,
                    f"assigned grad has data of a different size or type: "
                    f"{value.dtype}{list(value._shape)} for {self.dtype}{list(self._shape)}",
                )
        if watch.active is not None and (active := current()) is not None:
            active.grad_set(self)
        self._grad = value

    def _add_gradient(self, grad: LazyTensor, create_graph: bool) -> None:
        """Add a gradient to that held; one that is nothing but rows of a table stays so."""
        node = grad._cell._node if grad._base is None and not create_graph else None
        rows = rows_of(node) if node is not None else None
        held = self.grad
        if rows is not None and (held is None or held.is_sparse):
            from plait._sparse import accumulated

            self._grad = accumulated(held, rows, self._shape)
            return
        if held is not None and held.is_sparse:
            # Dense and sparse ones make a dense one.
            self._grad = held.to_dense()
        LazyTensor.accumulate_grad(self, grad, create_graph)

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def data(self) -> Any:
        """The same memory outside of autograd; writes through it are not noticed."""
        return self.detached(silent=True)

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, LazyTensor):
            raise error(
                TypeError, f"Variable data has to be a tensor, but got {type(value).__name__}"
            )
        if getrefcount(value) <= _OF_A_TEMPORARY and _is_all_there_is(value):
            value = self.plain.of_node(value.read())
        self.adopt(value)

    @property
    def _version(self) -> int:
        return self.storage_cell.version

    def _is_view(self) -> bool:
        return self._base is not None

    @property
    def output_nr(self) -> int:
        edge = self.edge()
        return edge[1] if edge else 0

    def detach(self) -> Any:
        """The same memory outside of autograd."""
        return self.detached()

    def detach_(self) -> Any:
        """Leave the graph, in place."""
        if self._base is not None and self._base.requires_grad:
            raise error(
                RuntimeError,
                "Can't detach views in-place. Use detach() instead.",
            )
        if watch.active is not None and (active := current()) is not None:
            active.flag(self)
            if self._grad_fn is not None and self.storage_cell.era < active.era:
                active.interrupt("a tensor that was there is detached in place")
        self._grad_fn = None
        self._requires_grad = False
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the gradient of this tensor into the leaves it depends on."""
        if isinstance(inputs, LazyTensor):
            inputs = [inputs]
        if gradient is not None and not isinstance(gradient, LazyTensor):
            from plait._functions.creation import as_tensor

            gradient = as_tensor(gradient)
        keep = create_graph if retain_graph is None else retain_graph
        differentiation.backward([self], [gradient], keep, create_graph, inputs)

    def retain_grad(self) -> None:
        """Keep `.grad` of this non-leaf too."""
        if not self.requires_grad:
            raise error(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or getattr(self, "_retains", False):
            return
        self._retains = True
        tensor = ref(self)

        def keep(grad: Any) -> None:
            held = tensor()
            if held is not None:
                held._grad = grad if held._grad is None else held._grad + grad

        function, number = self._origin()
        add_hook(function, number, keep)

    @property
    def retains_grad(self) -> bool:
        return getattr(self, "_retains", False)

    def _origin(self) -> tuple[Any, int]:
        """The grad node (or this leaf) that a gradient of this tensor goes to."""
        edge = self.edge()
        assert edge is not None, "only asked of tensors that require a gradient"
        return edge

    def register_hook(self, hook: Callable[[Any], Any]) -> Any:
        """Call `hook(grad)` whenever a gradient of this tensor is complete; it may replace it."""
        from plait.utils.hooks import RemovableHandle

        if not self.requires_grad:
            raise error(
                RuntimeError, "cannot register a hook on a tensor that doesn't require gradient"
            )
        function, number = self._origin()
        if function is self:
            if self._leaf_hooks is None:
                self._leaf_hooks = OrderedDict()
            hooks = self._leaf_hooks
        else:
            if function.hooks is None:
                function.hooks = {}
            hooks = function.hooks.setdefault(number, OrderedDict())
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> Any:
        """Call `hook(tensor)` after a gradient has been accumulated into this leaf."""
        from plait.utils.hooks import RemovableHandle

        if not self.is_leaf or not self.requires_grad:
            raise error(
                RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if self._leaf_hooks is None:
            self._leaf_hooks = OrderedDict()  # passes look closer where a leaf has had hooks
        hooks = vars(self).setdefault("_post_accumulate_hooks", OrderedDict())
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def keeps_grads_as_they_are(self, grad: LazyTensor) -> bool:
        if "_post_accumulate_hooks" in self.__dict__ or not self._requires_grad:
            return False
        return not is_rows(grad._cell.node)

    def accumulate_grad(self, grad: LazyTensor, create_graph: bool) -> None:
        if self.requires_grad:
            self._add_gradient(grad, create_graph)
        hooks = vars(self).get("_post_accumulate_hooks")
        if hooks:
            for hook in list(hooks.values()):
                hook(self)
