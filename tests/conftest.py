"""The axes of replay and of `compile`: each test's body is also a program for them.

What a body records the second time is learned, and the third time it is replayed; so bodies are
executed three times in a row, and once more as one compiled function. `make test-all` does so for
all tests, `make test` for a slice of them, chosen by a hash of their names.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

import pytest

import plait
from plait.core.lazy.replay.thread import threads

#: Fixtures that change with the body that uses them, which therefore runs once.
_SPENT = {"tmp_path", "capsys", "capfd", "caplog", "monkeypatch", "recwarn"}

#: `make test` chooses one test in so many.
_SLICE = 16


def _is_chosen(item: pytest.Function, axis: str) -> bool:
    if _SPENT & set(item.fixturenames) or item.get_closest_marker("once"):
        return False
    chosen = zlib.crc32(f"{axis} {item.nodeid}".encode()) % _SLICE == 0
    return chosen or os.environ.get("PLAIT_TEST_MATRIX") == "all"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Call the test's function as often as its place in the matrix says."""
    names = pyfuncitem._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in names}
    # What other tests have recorded must not decide how this one is computed.
    threads.forget_the_program()
    for _ in range(3 if _is_chosen(pyfuncitem, "replay") else 1):
        pyfuncitem.obj(**arguments)
    if _is_chosen(pyfuncitem, "compile") and not pyfuncitem.get_closest_marker("plain"):
        plait.compile(pyfuncitem.obj)(**arguments)
    return True
