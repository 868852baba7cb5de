"""What makes Keras accept the backend name `plait`.

Keras 3.16 loads `keras_<name>.src` for the names in `PLUGGABLE_BACKENDS` of its configuration; the
name is added there. Keras 3.15 asks for the name in five modules; a branch for `plait` is added to
each as it is imported. Nothing of Keras is changed on disk, and nothing at all happens unless the
environment variable `KERAS_BACKEND` is `plait`.

A `.pth` file of the wheel calls `install_if_asked` when the interpreter starts, so that a program
needs no import of ours. Where there is none (a source tree on the path), `import keras_plait.hook;
keras_plait.hook.install()` before `import keras` does the same.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

#: The versions of Keras that the backend is tested with: the first, and the first too new.
OLDEST, TOO_NEW = (3, 15), (3, 17)

#: Module of Keras 3.15: what is done there for this backend.
_BRANCHES = {
    "keras.src.backend": """
from keras_plait.src import *
from keras_plait.src.core import Variable as BackendVariable
distribution_lib = None
""",
    "keras.src.layers.layer": "from keras_plait.src.layer import PlaitLayer as BackendLayer",
    "keras.src.models.model": "from keras_plait.src.trainer import PlaitTrainer as Trainer",
    "keras.src.export.saved_model": """
from keras_plait.src.export import PlaitExportArchive as BackendSavedModelExportArchive
""",
}
_IS_OURS = {"keras.src.backend": 'backend() == "plait"'}
_DYNAMIC = "keras.src.utils.backend_utils"
_DYNAMIC_BRANCH = """
if self._backend == "plait":
    return getattr(importlib.import_module("keras_plait.src"), name)
"""
_CONFIG = "keras.src.backend.config"
#: What the callback for TensorBoard imports of TensorFlow: here Plait's event files.
_TENSORBOARD = "keras.src.callbacks.tensorboard"
_EVENT_FILES = {
    "tensorflow.summary": "plait.tf.summary",
    "tensorflow.compat.v1": "plait.tf.summary",
}


def install_if_asked() -> None:
    """Install the hook where the environment asks for this backend."""
    if os.environ.get("KERAS_BACKEND") == "plait":
        install()


def install() -> None:
    """Make `import keras` accept the backend name `plait`. Does nothing the second time.

    Raises ImportError where Keras has been imported already.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if "keras.src.backend" in sys.modules:
        raise ImportError(
            "keras_plait.hook: Keras has been imported already; set KERAS_BACKEND=plait or install "
            "the hook before the first `import keras`"
        )
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the modules that are amended, and no others."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname not in _BRANCHES and fullname not in (_DYNAMIC, _CONFIG, _TENSORBOARD):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Loads a module of Keras from its amended source. The source's own bytecode is not used."""

    def get_code(self, fullname: str) -> CodeType | None:
        sources = next(folder for folder in Path(self.path).parents if folder.name == "src")
        _require_known_version(sources / "version.py")
        tree = ast.parse(self.get_data(self.path))
        if not amended(fullname, tree) and fullname != _CONFIG:
            _require_pluggable(fullname, self.get_data(self.path))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


def amended(module: str, tree: ast.Module) -> bool:
    """Put the branch for `plait` into a module of Keras; whether it has its place there. Lines keep
    their numbers."""
    if module == _CONFIG:
        return _add_name(tree, "PLUGGABLE_BACKENDS")
    if module == _DYNAMIC:
        return _amend_dynamic(tree)
    if module == _TENSORBOARD:
        return _import_event_files(tree)
    for statement in tree.body:
        last = statement
        while isinstance(last, ast.If) and len(last.orelse) == 1:
            if isinstance(last.orelse[0], ast.Raise):
                test = ast.parse(_IS_OURS.get(module, 'backend.backend() == "plait"'), mode="eval")
                branch = ast.If(test.body, ast.parse(_BRANCHES[module]).body, last.orelse)
                last.orelse = [_at(branch, last.orelse[0])]
                return True
            last = last.orelse[0]
    return False


def _amend_dynamic(tree: ast.Module) -> bool:
    """`DynamicBackend`: the name among those it accepts, and where the backend is."""
    known = lookup = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and "openvino" in [
            part.value for part in node.elts if isinstance(part, ast.Constant)
        ]:
            node.elts.append(_at(ast.Constant("plait"), node))
            known = True
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            node.body.insert(0, _at(ast.parse(_DYNAMIC_BRANCH).body[0], node.body[0]))
            lookup = True
    return known and lookup


def _import_event_files(tree: ast.Module) -> bool:
    """Each import of TensorFlow as one of Plait's module; whether there was one."""
    found = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names: list[Any] = [part for part in node.names if part.name in _EVENT_FILES]
            for part in names:
                part.asname = part.asname or part.name.rsplit(".", 1)[-1]
                part.name = _EVENT_FILES[part.name]
            found = found or bool(names)
        elif isinstance(node, ast.ImportFrom) and node.module in _EVENT_FILES:
            node.module = _EVENT_FILES[node.module]
            found = True
    return found


def _add_name(tree: ast.Module, variable: str) -> bool:
    """Add `plait` to the set that is assigned to a variable."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and variable in [
            target.id for target in statement.targets if isinstance(target, ast.Name)
        ]:
            for node in ast.walk(statement.value):
                if isinstance(node, (ast.Set, ast.List, ast.Tuple)):
                    node.elts.append(_at(ast.Constant("plait"), node))
                    return True
    return False


def _at(made: Any, place: Any) -> Any:
    """New code, all of it at the line of `place`."""
    for node in ast.walk(made):
        if node is made or getattr(node, "lineno", 0) < place.lineno:
            ast.copy_location(node, place)
    return made


@functools.cache
def _require_known_version(source: Path) -> None:
    """Raise ImportError unless Keras' file of its version names one that the backend knows."""
    found = re.search(r"__version__ = ['\"]((\d+)\.(\d+)[^'\"]*)", source.read_text("utf-8"))
    if found is None or not OLDEST <= (int(found[2]), int(found[3])) < TOO_NEW:
        raise _unknown(f"the Keras installed is {found[1] if found else 'of unknown version'}")


def _require_pluggable(module: str, source: bytes) -> None:
    """Raise ImportError unless this version of Keras loads backends from outside by itself."""
    if b"get_pluggable_backend" not in source:
        raise _unknown(f"{module} of the Keras installed is not as expected there")


def _unknown(reason: str) -> ImportError:
    return ImportError(
        f"keras_plait: the backend works with Keras {_text(OLDEST)} up to, not including, "
        f"{_text(TOO_NEW)}; {reason}. Install one of those: pip install 'plait[keras]'"
    )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
