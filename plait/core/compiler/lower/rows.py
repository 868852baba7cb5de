"""stand-in: scalar loops, one unit."""
from __future__ import annotations
from plait.core.codegen import vectors, pointwise
from plait.core.codegen.kernel import Kernel, Launch
from plait.core.codegen.text import Function, spread_constant
from plait.core.ir.text import to_text
import math
_ID={"sum":0,"prod":1,"any":0,"all":1}
def lower_rows(k, outputs, inputs, plan):
    key=(to_text(k.graph),k.outer,k.inner,k.reads,k.writes)
    plan.launch(Launch(Kernel("rowstandin",key,lambda s,t:_emit(s,k)),tuple(outputs),tuple(inputs),scratch=0))
    return True
def _loops(f,ext,body,idx=()):
    if not ext: return body(list(idx))
    raise NotImplementedError
def _emit(sym,k):
    f=Function(sym); g=k.graph; nin=len(g.inputs); nout=len(g.outputs)
    outs=[f.argument(i) for i in range(nout)]; ins=[f.argument(nout+i) for i in range(nin)]
    R=math.prod(k.outer); C=math.prod(k.inner)
    def split(i,ext):
        r=[]
        for n in reversed(ext):
            r.append(f.rem(i,str(n))); i=f.div(i,str(n))
        return r[::-1]
    def addr(acc,idx):
        p=str(acc.offset)
        for i,s in zip(idx,acc.strides):
            if s: p=f.add(p,f.mul(i,str(s)))
        return p
    def load(acc,ptr,dt,idx):
        T=vectors.register_type(dt,1)
        slot=None
        if acc.guards:
            ok="true"
            for gd in acc.guards:
                a=f.let(f"icmp sge i64 {idx[gd.loop]}, {gd.low}"); b=f.let(f"icmp slt i64 {idx[gd.loop]}, {gd.high}")
                ok=f.let(f"and i1 {ok}, {a}"); ok=f.let(f"and i1 {ok}, {b}")
            p=addr(acc,idx); p=f.let(f"select i1 {ok}, i64 {p}, i64 0")
            v=vectors.load(f,dt,f.at(ptr,p,vectors.memory_type(dt)),1)
            return f.let(f"select i1 {ok}, {T} {v}, {T} {spread_constant(T,acc.fill)}")
        return vectors.load(f,dt,f.at(ptr,addr(acc,idx),vectors.memory_type(dt)),1)
    def shape(v): return g.type_of(v).shape
    perrow=lambda v: shape(v)==(1,) and C!=1 or (shape(v)==(1,))
    acc_zero=[(o,w) for o,w in enumerate(k.writes) if w.mode=="accumulate"]
    def outer_zero():
        for o,w in acc_zero:
            dt=g.type_of(g.outputs[o]).dtype
            full=shape(g.outputs[o])!=(1,) or C==1
            with f.loop("0",str(C if full else 1)) as lp:
                idx=["0"]*len(k.outer)+split(lp.index,k.inner)
                vectors.store(f,dt,spread_constant(vectors.register_type(dt,1),0),f.at(outs[o],addr(w.access,idx),vectors.memory_type(dt)),1)
    outer_zero()
    reds=[i for i,m in enumerate(g.instructions) if m.op.lowering.value=="reduce"]
    with f.loop("0",str(R)) as row:
        oi=split(row.index,k.outer); done={}
        def value(v,idx,memo):
            if v in done: return done[v]
            if v in memo: return memo[v]
            if v<nin:
                a=k.reads[v]; r=load(a,ins[v],g.inputs[v].dtype,idx)
            else:
                m=g.instructions[v-nin]
                r=pointwise.emit_op(f,m.op,m.attrs,[g.type_of(a).dtype for a in m.args],m.dtype,[value(a,idx,memo) for a in m.args],1)
            memo[v]=r; return r
        zero_inner=["0"]*len(k.inner)
        for ri in reds:
            m=g.instructions[ri]; v=m.args[0]; dt=g.type_of(v).dtype; T=vectors.register_type(dt,1); nm=m.op.name
            if nm in("argmax","argmin"): raise NotImplementedError
            if nm in _ID: first=spread_constant(T,_ID[nm])
            else:
                first=load_first=None
            if first is None:
                memo={}; first=value(v,oi+zero_inner,memo)
            with f.loop("0",str(C),carried=[(T,first)]) as lp:
                x=value(v,oi+split(lp.index,k.inner),{}); c=lp.carried[0]
                class _O: pass
                o=_O(); o.name={"sum":"add","prod":"mul","max":"maximum","min":"minimum","any":"or","all":"and"}[nm]
                lp.next=[pointwise.emit_op(f,o,{},[dt,dt],dt,[c,x],1)]
            done[nin+ri]=lp.results[0]
        full=[o for o in range(nout) if shape(g.outputs[o])!=(1,) or C==1]
        per=[o for o in range(nout) if o not in full]
        def put(o,idx,memo):
            w=k.writes[o]; dt=g.type_of(g.outputs[o]).dtype
            x=value(g.outputs[o],idx,memo); p=f.at(outs[o],addr(w.access,idx),vectors.memory_type(dt))
            if w.mode=="accumulate":
                c=vectors.load(f,dt,p,1)
                class _O: name="add"
                x=pointwise.emit_op(f,_O,{},[dt,dt],dt,[c,x],1)
            vectors.store(f,dt,x,p,1)
        memo={}
        for o in per: put(o,oi+zero_inner,memo)
        if full:
            with f.loop("0",str(C)) as lp:
                idx=oi+split(lp.index,k.inner); memo={}
                for o in full: put(o,idx,memo)
    f.ret(); return f
