"""Text of values that come from a file: `short(value)` is a `repr` of bounded length and cost.

A few bytes of pickle can describe an object whose full `repr` would never end.
"""

from __future__ import annotations

from reprlib import Repr

_bounded = Repr()
_bounded.maxlevel = 3
_bounded.maxstring = 80
_bounded.maxother = 120

short = _bounded.repr
