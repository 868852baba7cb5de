"""One piece of bad input: what is done, which exception it must give, and what its text "
"must name."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """Bad input to a framework `t`, given as an argument so that PyTorch itself can be asked too.

    kind: the exception's type as PyTorch's users expect it. words: what the text must contain: the
    op or argument, and what was received. parity: why PyTorch's type is not compared, where not.
    """

    name: str
    act: Callable[[Any], Any]
    kind: type[Exception]
    words: tuple[str, ...]
    parity: str = ""


def raised_by(act: Callable[..., Any], *arguments: Any) -> Exception:
    """The exception that a call raises; AssertionError where there is none."""
    try:
        act(*arguments)
    except Exception as fault:
        return fault
    raise AssertionError("nothing was raised")


def user_line(fault: Exception, file: str) -> str:
    """`FILE:LINE in FUNCTION` of the innermost frame of `file`, from the traceback itself."""
    frames = [f for f in traceback.walk_tb(fault.__traceback__) if f[0].f_code.co_filename == file]
    frame, line = frames[-1]
    return f"{file}:{line} in {frame.f_code.co_name}"


def assert_describes(fault: Exception, case: Case, file: str) -> None:
    """The exception has the type, names what the case lists, and ends with the user's line."""
    text = str(fault)
    assert isinstance(fault, case.kind), f"{type(fault).__name__}: {text}"
    missing = [word for word in case.words if word not in text]
    assert not missing, f"{missing} not in: {text}"
    assert text.endswith(f"\n  at {user_line(fault, file)}"), text
