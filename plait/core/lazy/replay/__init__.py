"""Replay: what a thread records is matched against what it recorded before.

A program that repeats itself records the same operations in the same places. Each thread keeps a
tree of what it has recorded; a recorded operation is a step from one point of the tree to the next.
A known step gives shape, dtype and place in autograd without asking the op again; a known backward
pass gives its nodes; a known launch gives the graph to run. A step that is not known is recorded
as if there were no tree, and becomes part of it. See docs/design/015-replay.md.
"""
