"""The runtime's tests keep compiled code in a folder of their own.

Their kernels change with the tests, and nothing in a key tells.
"""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield
