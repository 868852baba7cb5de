"""The Python in the documents runs: the ```python blocks of one file share a namespace."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import plait.core.ops.catalog  # noqa: F401  # defines the records, which the fixture keeps
from plait.core.ir import op

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    page for page in (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md") if page.exists()
]


@pytest.fixture
def _ops_as_before() -> Iterator[None]:
    """Take the ops that a page defines out of the registry again."""
    known = dict(op._REGISTRY)
    yield
    op._REGISTRY.clear()
    op._REGISTRY.update(known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("_ops_as_before")
def test_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    if page.name == "keras.md":
        _run_with_keras(text)
        return
    namespace: dict[str, object] = {"__name__": page.stem}
    for block in BLOCK.finditer(text):
        # Empty lines before the code, so that a traceback gives the line of the page.
        above = text.count("\n", 0, block.start(1))
        exec(compile("\n" * above + block.group(1), str(page), "exec"), namespace)


def _run_with_keras(text: str) -> None:
    """In a process of its own: Keras has one backend for all of a process."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras, an extra, is not installed")
    code = "import keras_plait.hook; keras_plait.hook.install_if_asked()\n"
    code += "\n".join(block.group(1) for block in BLOCK.finditer(text))
    environment = {**os.environ, "KERAS_BACKEND": "plait", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
