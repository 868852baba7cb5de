"""Control flow as single operations: `cond`, `while_loop`, `scan`, `map`, `associative_scan`."""

from plait._higher_order_ops.associative_scan import associative_scan
from plait._higher_order_ops.cond import cond
from plait._higher_order_ops.map import map
from plait._higher_order_ops.scan import scan
from plait._higher_order_ops.while_loop import while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
