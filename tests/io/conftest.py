"""Fixtures of the file-format tests."""

import numpy_bridge
import pytest

from plait.io import allowlist, serialization


@pytest.fixture
def files(monkeypatch):
    """`serialization` with NumPy-backed tensors, and no user-allowed globals."""
    monkeypatch.setattr(serialization, "tensor_bridge", numpy_bridge)
    allowlist.clear_safe_globals()
    yield serialization
    allowlist.clear_safe_globals()
