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

import os
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import Any

#: The versions of Keras that the backend is tested with: the first, and the first too new.
OLDEST, TOO_NEW = (3, 15), (3, 17)

#: Module of Keras 3.15: what is put before the `else` that refuses unknown names.
_BRANCHES = {
    "keras.src.backend": (
        'elif backend() == "plait":\n'
        "    from keras_plait.src import *  # noqa: F403\n"
        "    from keras_plait.src.core import Variable as BackendVariable\n\n"
        "    distribution_lib = None\n"
    ),
    "keras.src.layers.layer": (
        'elif backend.backend() == "plait":\n'
        "    from keras_plait.src.layer import PlaitLayer as BackendLayer\n"
    ),
    "keras.src.models.model": (
        'elif backend.backend() == "plait":\n'
        "    from keras_plait.src.trainer import PlaitTrainer as Trainer\n"
    ),
    "keras.src.export.saved_model": (
        'elif backend.backend() == "plait":\n'
        "    from keras_plait.src.export import (\n"
        "        PlaitExportArchive as BackendSavedModelExportArchive,\n"
        "    )\n"
    ),
}
_REFUSAL = re.compile(r"^else:\n    raise (?:ValueError|RuntimeError)\(", re.MULTILINE)

_DYNAMIC = "keras.src.utils.backend_utils"
_KNOWN_NAMES = '("tensorflow", "jax", "torch", "numpy", "openvino")'
_FIRST_TEST = '        if self._backend == "tensorflow":\n'
_DYNAMIC_BRANCH = (
    '        if self._backend == "plait":\n'
    '            return getattr(importlib.import_module("keras_plait.src"), name)\n'
)

_CONFIG = "keras.src.backend.config"
_PLUGGABLE = re.compile(r"(PLUGGABLE_BACKENDS\s*=\s*frozenset\(\s*|PLUGGABLE_BACKENDS\s*=\s*)\{")


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
        if fullname not in _BRANCHES and fullname not in (_DYNAMIC, _CONFIG):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Loads a module of Keras from its amended source. The source's own bytecode is not used."""

    def get_code(self, fullname: str) -> CodeType | None:
        source = self.get_data(self.path).decode("utf-8")
        return compile(amended(fullname, source), self.path, "exec", dont_inherit=True)


def amended(module: str, source: str) -> str:
    """The source of a module of Keras with the branch for `plait`.

    Raises ImportError where the source is not as in the versions that are known.
    """
    if module == _CONFIG:
        return _PLUGGABLE.sub(r'\1{"plait", ', source)
    if module == _DYNAMIC:
        if _KNOWN_NAMES not in source:
            return _require_pluggable(module, source)
        source = source.replace(_KNOWN_NAMES, _KNOWN_NAMES[:-1] + ', "plait")')
        return source.replace(_FIRST_TEST, _DYNAMIC_BRANCH + _FIRST_TEST, 1)
    if len(_REFUSAL.findall(source)) != 1:
        return _require_pluggable(module, source)
    return _REFUSAL.sub(lambda found: _BRANCHES[module] + found.group(), source)


def _require_pluggable(module: str, source: str) -> str:
    """The source as it is, if it loads backends from outside by itself."""
    if "get_pluggable_backend" in source:
        return source
    found = _version()
    raise ImportError(
        f"keras_plait: the backend works with Keras {_text(OLDEST)} up to, not including, "
        f"{_text(TOO_NEW)}; {module} of the Keras installed ({found}) is not as expected there. "
        "Install one of those: pip install 'plait[keras]'"
    )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    for name in ("keras", "keras-nightly"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown version"
