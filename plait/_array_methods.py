"""The methods of Tensor by which NumPy and other libraries read it: arrays and DLPack."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from plait._autograd_methods import AutogradMethods
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.modes import modes


class ArrayMethods(AutogradMethods):
    """A tensor's value as an array of others; `plait._tensor.Tensor` inherits them."""

    __slots__ = ()

    __array_priority__ = 1000
    #: Whether NumPy gets arrays of its own, of whatever tensor, as in Keras and TensorFlow, where a
    #: tensor never changes. PyTorch's users get the tensor's memory, and errors where it has a
    #: gradient or no NumPy dtype.
    arrays_are_copies: ClassVar[bool] = False

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A NumPy array over the same memory.

        Raises RuntimeError for a tensor that requires a gradient, unless `force` or where gradients
        are off (`no_grad`); TypeError for bfloat16.
        """
        if self.arrays_are_copies:
            return np.array(self.compute())
        required = self.requires_grad
        if force or (required and not modes.grad_enabled):
            return self.detach().numpy()
        if required:
            raise error(
                RuntimeError,
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead.",
            )
        if self._dtype is dtypes.bfloat16:
            raise error(TypeError, "Got unsupported ScalarType BFloat16")
        return self.export()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The value as an array: over the same memory unless `copy` asks for its own.

        Raises ValueError where `copy` is False and another dtype is asked for.
        """
        if self.arrays_are_copies:
            return np.array(self.compute(), dtype=dtype)
        if (
            dtype is None
            and not copy
            and self._base is None
            and not self._requires_grad
            and self._grad_fn is None
            and self._dtype is not dtypes.bfloat16
        ):
            return self.export()  # what `numpy` comes to, for most
        if copy and not self.requires_grad and self._dtype is not dtypes.bfloat16:
            return np.array(self.compute(), dtype=dtype)
        array = self.numpy()
        if copy is False and dtype is not None and array.dtype != dtype:
            raise error(
                ValueError,
                f"Unable to avoid copy while creating an array of {np.dtype(dtype)} of a tensor of "
                f"{self._dtype}",
            )
        return array if dtype is None else array.astype(dtype, copy=False)

    def __array_wrap__(
        self, array: np.ndarray, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """What NumPy's functions of tensors give: tensors (bool results as uint8, like PyTorch)."""
        from plait._functions.creation import from_numpy

        return from_numpy(array.astype(np.uint8) if array.dtype == np.bool_ else array)

    def __dlpack__(self, *, stream: Any = None, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise error(
                BufferError, "Can't export tensors that require gradient, use tensor.detach()"
            )
        return self.export().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)
