"""The channels-last twins of ops on channels-first images: which op, between which transposes."""

from __future__ import annotations

from plait.core.compiler.layout import Twin
from plait.core.ir.graph import Graph


def twins_of(graph: Graph) -> dict[str, Twin]:
    """The rules that apply to a graph, by the name of the op that is replaced."""
    return {}
