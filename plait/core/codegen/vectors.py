"""Elements in memory and in registers: the types of both, and what lies between.

In registers bool is i1, and 16-bit floats are carried as float32: they are widened when loaded and
rounded once, to nearest even, when stored. With one lane the types are scalars.
"""

from __future__ import annotations

from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.dtypes import DType

#: (type in memory, type in registers) of each element type.
_TYPES = {
    "bool": ("i8", "i1"),
    "uint8": ("i8", "i8"),
    "int8": ("i8", "i8"),
    "int16": ("i16", "i16"),
    "uint16": ("i16", "i16"),
    "int32": ("i32", "i32"),
    "uint32": ("i32", "i32"),
    "int64": ("i64", "i64"),
    "uint64": ("i64", "i64"),
    "float16": ("i16", "float"),
    "bfloat16": ("i16", "float"),
    "float32": ("float", "float"),
    "float64": ("double", "double"),
}


def is_supported(dtype: DType) -> bool:
    """Whether kernels hold elements of this type (complex ones are left to the reference)."""
    return dtype.name in _TYPES


def memory_type(dtype: DType) -> str:
    """The LLVM type of one element in memory."""
    return _TYPES[dtype.name][0]


def vector(element: str, lanes: int) -> str:
    """The type of `lanes` elements; of one, the element's own."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def register_type(dtype: DType, lanes: int) -> str:
    """The LLVM type of values in registers."""
    return vector(_TYPES[dtype.name][1], lanes)


def bytes_of(element: str) -> int:
    """Bytes of an element in registers: "float", "double", "i16"."""
    return {"float": 4, "double": 8}.get(element) or int(element[1:]) // 8


def load(f: Function, dtype: DType, pointer: str, lanes: int, mask: str | None = None) -> str:
    """`lanes` neighbouring elements in register form; zeros where `mask` is not set."""
    kept = memory_type(dtype)
    if mask is None or lanes == 1:
        raw = f.load(vector(kept, lanes), pointer, dtype.itemsize)
    else:
        raw = f.masked_load(kept, lanes, pointer, mask, dtype.itemsize)
    return to_register(f, dtype, raw, lanes)


#: Bytes of the widest vector of any target.
WIDEST = 64


def store(
    f: Function,
    dtype: DType,
    value: str,
    pointer: str,
    lanes: int,
    mask: str | None = None,
    *,
    past_caches: bool = False,
) -> None:
    """Store register values to neighbouring elements, where `mask` is set.

    past_caches: straight to memory, at a multiple of the vector (and without a mask).
    """
    kept = memory_type(dtype)
    raw = to_memory(f, dtype, value, lanes)
    if past_caches:
        f.store_past_caches(vector(kept, lanes), raw, pointer, lanes * dtype.itemsize)
    elif mask is None or lanes == 1:
        f.store(vector(kept, lanes), raw, pointer, dtype.itemsize)
    else:
        if dtype.itemsize < 4:
            mask = _hidden(f, mask, lanes)
        f.masked_store(kept, lanes, raw, pointer, mask, dtype.itemsize)


def _hidden(f: Function, mask: str, lanes: int) -> str:
    """The same mask, of which LLVM cannot find out that it is a constant.

    With AVX-512 it makes one store of a conversion to 8 or 16 bits and the masked store of its
    result. Where it finds that the mask has a single lane, it stores the element as a scalar then,
    but with the 32 bits it had before the conversion, past the end of the buffer.
    """
    bits = f.let(f"bitcast <{lanes} x i1> {mask} to i{lanes}")
    wide = f.let(f"zext i{lanes} {bits} to i64") if lanes < 64 else bits
    wide = f.let(f'call i64 asm "", "=r,0"(i64 {wide})')
    bits = f.let(f"trunc i64 {wide} to i{lanes}") if lanes < 64 else wide
    return f.let(f"bitcast i{lanes} {bits} to <{lanes} x i1>")


def to_register(f: Function, dtype: DType, raw: str, lanes: int) -> str:
    """Memory form to register form."""
    if dtype.kind == "b":
        bytes_ = vector("i8", lanes)
        return f.let(f"icmp ne {bytes_} {raw}, {spread_constant(bytes_, 0)}")
    if dtype.name == "bfloat16":
        words = vector("i32", lanes)
        wide = f.let(f"zext {vector('i16', lanes)} {raw} to {words}")
        high = f.let(f"shl {words} {wide}, {spread_constant(words, 16)}")
        return f.let(f"bitcast {words} {high} to {vector('float', lanes)}")
    if dtype.name == "float16":
        half = f.let(f"bitcast {vector('i16', lanes)} {raw} to {vector('half', lanes)}")
        return f.let(f"fpext {vector('half', lanes)} {half} to {vector('float', lanes)}")
    return raw


def to_memory(f: Function, dtype: DType, value: str, lanes: int) -> str:
    """Register form to memory form."""
    if dtype.kind == "b":
        return f.let(f"zext {vector('i1', lanes)} {value} to {vector('i8', lanes)}")
    if dtype.name == "float16":
        half = f.let(f"fptrunc {vector('float', lanes)} {value} to {vector('half', lanes)}")
        return f.let(f"bitcast {vector('half', lanes)} {half} to {vector('i16', lanes)}")
    if dtype.name == "bfloat16":
        return _round_to_bfloat(f, value, lanes)
    return value


def rounded(f: Function, dtype: DType, value: str, lanes: int) -> str:
    """Register form of `dtype` again, of float32 that may not be numbers of 16 bits where it is a
    16-bit float."""
    if not dtype.is_half:
        return value
    return to_register(f, dtype, to_memory(f, dtype, value, lanes), lanes)


def _round_to_bfloat(f: Function, value: str, lanes: int) -> str:
    """To nearest even; nan stays nan. (The CPU's own instruction flushes denormals.)"""
    words, floats = vector("i32", lanes), vector("float", lanes)

    def const(n: int) -> str:
        return spread_constant(words, n)

    bits = f.let(f"bitcast {floats} {value} to {words}")
    high = f.let(f"lshr {words} {bits}, {const(16)}")
    odd = f.let(f"and {words} {high}, {const(1)}")
    bias = f.let(f"add {words} {odd}, {const(0x7FFF)}")
    rounded = f.let(f"add {words} {bits}, {bias}")
    moved = f.let(f"lshr {words} {rounded}, {const(16)}")
    is_nan = f.let(f"fcmp uno {floats} {value}, {value}")
    quiet = f.let(f"or {words} {high}, {const(0x40)}")
    chosen = f.let(f"select {vector('i1', lanes)} {is_nan}, {words} {quiet}, {words} {moved}")
    return f.let(f"trunc {words} {chosen} to {vector('i16', lanes)}")
