"""stand-in"""
from __future__ import annotations
from typing import NamedTuple
from plait.core.codegen.access import Access
from plait.core.ir.graph import Graph
class Write(NamedTuple):
    access: Access
    mode: str
class RowKernel(NamedTuple):
    graph: Graph
    outer: tuple[int,...]
    inner: tuple[int,...]
    reads: tuple[Access,...]
    writes: tuple[Write,...]
