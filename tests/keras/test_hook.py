"""How Keras is made to accept the backend's name, and what is refused. In processes of their own:
Keras has one backend for all of a process."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_plait import hook

ROOT = Path(__file__).resolve().parents[2]
CHAIN = """
if backend.backend() == "one":
    from one import Trainer
elif backend.backend() == "two":
    from two import Trainer
else:
    raise RuntimeError("no such backend")
"""


def run(code: str, *places: Path, backend: str = "numpy") -> subprocess.CompletedProcess[str]:
    """Not with `plait` in the environment: an installed wheel would hook Keras before the code."""
    path = os.pathsep.join(map(str, (*places, ROOT)))
    return subprocess.run(
        [sys.executable, "-c", f"import keras_plait.hook as hook\n{code}"],
        env={**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_branch_is_added_before_the_refusal_and_lines_stay() -> None:
    tree = ast.parse(CHAIN)
    assert hook.amended("keras.src.models.model", tree)
    ast.fix_missing_locations(tree)
    text = ast.unparse(tree)
    assert "elif backend.backend() == 'plait':" in text
    assert text.index("PlaitTrainer") < text.index("raise RuntimeError")
    raised = next(node for node in ast.walk(tree) if isinstance(node, ast.Raise))
    assert (
        raised.lineno == CHAIN.splitlines().index('    raise RuntimeError("no such backend")') + 1
    )


def test_a_name_is_added_to_the_backends_from_outside() -> None:
    tree = ast.parse('PLUGGABLE_BACKENDS = {"mlx", "paddle"}')
    assert hook.amended("keras.src.backend.config", tree)
    assert "plait" in ast.unparse(tree)
    assert not hook.amended("keras.src.backend.config", ast.parse("OTHER = {1}"))


def test_a_module_of_another_shape_is_not_taken() -> None:
    assert not hook.amended("keras.src.models.model", ast.parse("from somewhere import Trainer"))
    with pytest.raises(ImportError, match=r"Keras 3\.15 up to, not including, 3\.17; keras\.src"):
        hook._require_pluggable("keras.src.models.model", b"from somewhere import Trainer")


def test_the_callback_for_tensorboard_takes_our_event_files() -> None:
    tree = ast.parse("def f():\n    import tensorflow.summary as summary\n    return summary")
    assert hook.amended("keras.src.callbacks.tensorboard", tree)
    assert "import plait.tf.summary as summary" in ast.unparse(tree)


@pytest.mark.parametrize("version", ["3.14.1", "3.17.0", "4.0.0.dev1", "later"])
def test_other_versions_are_refused_by_name(version: str, tmp_path: Path) -> None:
    package = tmp_path / "keras" / "src" / "backend"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").write_text("")
    (package.parent / "version.py").write_text(f'__version__ = "{version}"\n')
    (package / "config.py").write_text("PLUGGABLE_BACKENDS = set()\n")
    done = run("hook.install(); import keras.src.backend.config", tmp_path)
    assert done.returncode == 1
    assert "works with Keras 3.15 up to, not including, 3.17" in done.stderr
    assert (version if version[0].isdigit() else "unknown version") in done.stderr


def test_nothing_happens_for_another_backend() -> None:
    code = "before = list(__import__('sys').meta_path); hook.install_if_asked(); "
    done = run(code + "assert __import__('sys').meta_path == before", backend="jax")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is an extra")
def test_the_hook_comes_before_keras() -> None:
    code = "import sys, types; sys.modules['keras.src.backend'] = types.ModuleType('x')\n"
    done = run(code + "hook.install()")
    assert "Keras has been imported already" in done.stderr
    code = "import os; os.environ['KERAS_BACKEND'] = 'plait'; hook.install(); hook.install()\n"
    assert run(code + "import keras; print(keras.config.backend())").stdout.split()[-1] == "plait"
