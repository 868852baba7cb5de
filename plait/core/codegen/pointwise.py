"""stand-in"""

from __future__ import annotations

from plait.core.codegen import vectors
from plait.core.codegen.text import spread_constant

_BIN = {
    "add": ("fadd", "add", "or"),
    "sub": ("fsub", "sub", "xor"),
    "mul": ("fmul", "mul", "and"),
    "and": ("", "and", "and"),
    "or": ("", "or", "or"),
    "xor": ("", "xor", "xor"),
}
_LIBM = {"exp", "log", "tanh", "erf", "sqrt", "log1p", "expm1", "sin", "cos", "pow", "log2", "exp2"}
_CMP = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_OK = {
    *_BIN,
    *_LIBM,
    *_CMP,
    "div",
    "neg",
    "abs",
    "sign",
    "maximum",
    "minimum",
    "where",
    "cast",
    "relu",
    "rsqrt",
    "sigmoid",
    "not",
    "reciprocal",
    "alias",
}


def supports(made, in_dtypes):
    return made.op.name in _OK


def emit(f, graph, inputs, lanes):
    vals = list(inputs)
    n = len(graph.inputs)
    for m in graph.instructions:
        vals.append(
            emit_op(
                f,
                m.op,
                m.attrs,
                [graph.type_of(a).dtype for a in m.args],
                m.dtype,
                [vals[a] for a in m.args],
                lanes,
            )
        )
    return [vals[o] for o in graph.outputs]


def emit_op(f, op, attrs, ind, out, xs, lanes):
    name = op.name
    R = vectors.register_type(out, lanes)
    if name == "full":
        return spread_constant(R, attrs["value"])
    if name in ("alias", "broadcast", "reshape"):
        return xs[0]
    d = ind[0]
    T = vectors.register_type(d, lanes)
    fl = d.kind == "f"
    if name in _BIN:
        w = _BIN[name][0 if fl else 2 if d.kind == "b" else 1]
        return f.let(f"{w} {T} {xs[0]}, {xs[1]}")
    if name == "div":
        return f.let(f"fdiv {T} {xs[0]}, {xs[1]}")
    if name == "reciprocal":
        return f.let(f"fdiv {T} {spread_constant(T, 1)}, {xs[0]}")
    if name == "neg":
        return (
            f.let(f"fneg {T} {xs[0]}") if fl else f.let(f"sub {T} {spread_constant(T, 0)}, {xs[0]}")
        )
    if name in _CMP:
        c = _CMP[name]
        if fl:
            return f.let(f"fcmp {'une' if c == 'ne' else 'o' + c} {T} {xs[0]}, {xs[1]}")
        p = c if c in ("eq", "ne") else ("s" if d.kind == "i" else "u") + c
        return f.let(f"icmp {p} {T} {xs[0]}, {xs[1]}")
    B = vectors.vector("i1", lanes)

    def sel(c, a, b, k=None):
        return f.let(f"select {B} {c}, {k or R} {a}, {k or R} {b}")

    if name == "where":
        return sel(xs[0], xs[1], xs[2])
    if name == "not":
        return f.let(f"xor {T} {xs[0]}, {spread_constant(T, 1 if d.kind == 'b' else -1)}")
    if name == "relu":
        z = spread_constant(T, 0)
        c = f.let(f"fcmp ule {T} {xs[0]}, {z}" if False else f"fcmp olt {T} {xs[0]}, {z}")
        return sel(c, z, xs[0])
    if name in ("maximum", "minimum"):
        if fl:
            u = f.let(f"fcmp uno {T} {xs[0]}, {xs[0]}")
            c = f.let(f"fcmp {'ogt' if name == 'maximum' else 'olt'} {T} {xs[0]}, {xs[1]}")
            b = f.let(f"or {B} {u}, {c}")
            return sel(b, xs[0], xs[1])
        c = f.let(
            f"icmp {'s' if d.kind == 'i' else 'u'}{'gt' if name == 'maximum' else 'lt'} {T} {xs[0]}, {xs[1]}"
        )
        return sel(c, xs[0], xs[1])
    if name == "abs":
        if fl:
            z = f.let(
                f"bitcast {T} {xs[0]} to {vectors.vector('i32' if d.itemsize < 8 else 'i64', lanes)}"
            )
            k = vectors.vector("i32" if d.itemsize < 8 else "i64", lanes)
            m = f.let(
                f"and {k} {z}, {spread_constant(k, 0x7FFFFFFF if d.itemsize < 8 else 0x7FFFFFFFFFFFFFFF)}"
            )
            return f.let(f"bitcast {k} {m} to {T}")
        n = f.let(f"sub {T} {spread_constant(T, 0)}, {xs[0]}")
        c = f.let(f"icmp slt {T} {xs[0]}, {spread_constant(T, 0)}")
        return sel(c, n, xs[0])
    if name == "sign":
        z = spread_constant(T, 0)
        one = spread_constant(T, 1)
        m1 = spread_constant(T, -1)
        g = f.let(f"{'fcmp ogt' if fl else 'icmp sgt'} {T} {xs[0]}, {z}")
        l = f.let(f"{'fcmp olt' if fl else 'icmp slt'} {T} {xs[0]}, {z}")
        a = sel(l, m1, z)
        return sel(g, one, a)
    if name == "cast":
        if d is out:
            return xs[0]
        T2 = R
        if T == T2:
            return xs[0]
        if d.kind == "b" and out.kind == "f":
            return f.let(f"uitofp {T} {xs[0]} to {T2}")
        if d.kind == "b":
            return f.let(f"zext {T} {xs[0]} to {T2}")
        if out.kind == "b":
            return f.let(f"{'fcmp une' if fl else 'icmp ne'} {T} {xs[0]}, {spread_constant(T, 0)}")
        if fl and out.kind == "f":
            return f.let(f"{'fpext' if d.itemsize < 8 else 'fptrunc'} {T} {xs[0]} to {T2}")
        if fl:
            return f.let(f"fptosi {T} {xs[0]} to {T2}")
        if out.kind == "f":
            return f.let(f"{'sitofp' if d.kind == 'i' else 'uitofp'} {T} {xs[0]} to {T2}")
        return f.let(
            f"{'trunc' if d.itemsize > out.itemsize else 'sext' if d.kind == 'i' else 'zext'} {T} {xs[0]} to {T2}"
        )
    if name == "sigmoid":
        n = f.let(f"fneg {T} {xs[0]}")
        e = _libm(f, "exp", d, [n], lanes)
        s = f.let(f"fadd {T} {e}, {spread_constant(T, 1)}")
        return f.let(f"fdiv {T} {spread_constant(T, 1)}, {s}")
    if name == "rsqrt":
        s = _libm(f, "sqrt", d, xs, lanes)
        return f.let(f"fdiv {T} {spread_constant(T, 1)}, {s}")
    return _libm(f, name, d, xs, lanes)


def _libm(f, name, d, xs, lanes):
    el = "float" if d.itemsize < 8 else "double"
    fn = name + ("f" if el == "float" else "")
    T = vectors.register_type(d, lanes)
    if lanes == 1:
        return f.call(el, fn, *[(el, x) for x in xs])
    out = "poison"
    for i in range(lanes):
        e = [f.let(f"extractelement {T} {x}, i64 {i}") for x in xs]
        r = f.call(el, fn, *[(el, x) for x in e])
        out = f.let(f"insertelement {T} {out}, {el} {r}, i64 {i}")
    return out
