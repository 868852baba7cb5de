"""Compiled and plain steps are compared on one executor, where they agree bit for bit."""

from __future__ import annotations

from weakref import WeakValueDictionary

import pytest

from plait.core.runtime import arrays, compiled


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run everything on NumPy."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")


@pytest.fixture
def blocks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of any size have memory of ours, so that every gradient is one whose memory the next
    call writes again."""
    monkeypatch.setattr(arrays, "LARGE", 1)
    # Programs know how their results are made; garbage may hold one of an earlier test still.
    monkeypatch.setattr(compiled, "_donating", WeakValueDictionary())
