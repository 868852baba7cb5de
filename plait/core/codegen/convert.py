"""A kernel that copies elements to another floating type."""

from __future__ import annotations

from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function
from plait.core.ir.dtypes import DType
from plait.core.ir.op import elements
from plait.core.llvm.target import Target

#: Elements of a unit.
_CHUNK = 4096
#: A thread of its own pays from about this many units.
_GRAIN = 16


def converter(source: DType, result: DType) -> Kernel:
    """result | source, number: elements. For dtypes that registers hold in one form: float32 and
    the 16-bit floats, which are rounded to nearest even."""

    def emit(symbol: str, target: Target) -> Function:
        f = Function(symbol)
        out, given, count = f.argument(0), f.argument(1), f.argument(2, "i64")
        wide = target.lanes(4)

        def copy(index: str, lanes: int) -> None:
            place = f.at(given, index, vectors.memory_type(source))
            value = vectors.load(f, source, place, lanes)
            vectors.store(f, result, value, f.at(out, index, vectors.memory_type(result)), lanes)

        with f.loop("%begin", "%end") as unit:
            start = f.mul(unit.index, str(_CHUNK))
            stop = f.least(f.add(start, str(_CHUNK)), count)
            whole = f.sub(stop, f.rem(f.sub(stop, start), str(wide)))
            with f.loop(start, whole, str(wide)) as place:
                copy(place.index, wide)
            with f.loop(whole, stop) as place:
                copy(place.index, 1)
        f.ret()
        return f

    return Kernel("convert", (source.name, result.name), emit)


def conversion(source: Any, result: Any) -> Launch:
    """A launch that fills the buffer `result` with the elements of the buffer `source`."""
    size = elements(source.shape)
    return Launch(
        converter(source.dtype, result.dtype),
        (result,),
        (source,),
        units=-(-size // _CHUNK),
        numbers=(size,),
        grain=_GRAIN,
        flops=size,
        bytes=size * (source.dtype.itemsize + result.dtype.itemsize),
    )
