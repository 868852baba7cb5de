"""Tensors without a value that can be looked at: one sample of many, an operand of a body.

A subclass decides in `bind` how ops on it are recorded, whatever the other operands are; it is
entered in `binds_first`. Whatever asks for its value or its memory raises what `refusal` says.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.lazy.views import Layout, contiguous_strides


class _NoMemory:
    """Stands where a tensor has its memory."""

    __slots__ = ("_refusal",)

    #: Not None: no way past the tensor's own `bind` is taken.
    shared = True
    version = 0
    #: There before every capture.
    era = 0

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal

    def __getattr__(self, name: str) -> NoReturn:
        raise error(RuntimeError, self._refusal)


class ValuelessTensor(Tensor):
    """A tensor with a shape and a dtype, and nothing to read."""

    is_dense = False

    #: What is said to whoever asks for the value.
    refusal: ClassVar[str]

    @classmethod
    def of_type(cls, shape: tuple[int, ...], dtype: Any) -> Any:
        """A tensor of this shape and dtype."""
        return cls.of_cell(_NoMemory(cls.refusal), shape, dtype)  # type: ignore[arg-type]  # in a cell's place

    def memory(self) -> Layout:
        return Layout(contiguous_strides(self._shape), 0)

    def value(self) -> NoReturn:
        raise error(RuntimeError, self.refusal)

    def compute(self) -> NoReturn:
        raise error(RuntimeError, self.refusal)

    def export(self) -> NoReturn:
        raise error(RuntimeError, self.refusal)
