"""docs/tf-coverage.md says what is there today."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="the page counts names of Keras"
)

ROOT = Path(__file__).resolve().parent.parent.parent
_CHECK = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("page", "tools/write_tf_coverage_page.py")
module = importlib.util.module_from_spec(spec)
sys.modules["page"] = module
spec.loader.exec_module(module)
sys.exit(module.page() != module.PAGE.read_text("utf-8"))
"""


def test_the_page_is_what_the_tool_writes() -> None:
    # In a process of its own: another test may have given Keras another backend.
    done = subprocess.run([sys.executable, "-c", _CHECK], cwd=ROOT, check=False)
    assert done.returncode == 0, "run python tools/write_tf_coverage_page.py"
