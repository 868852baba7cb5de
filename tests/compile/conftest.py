"""Compiled and plain steps are compared on one executor, where they agree bit for bit."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run everything on NumPy."""
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
