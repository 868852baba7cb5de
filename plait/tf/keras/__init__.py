"""`tf.keras`: the real Keras, with Plait as its backend.

Importing this module gives the module of Keras itself, in the form that TensorFlow has it; the
modules below it are Keras' too. Raises ImportError where Keras is not installed, or has been
imported with another backend.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any

from plait.aliasing import AliasLoader

#: Keras as TensorFlow shows it: with the names that older programs use.
_REAL = "keras._tf_keras.keras"


class _Finder:
    """Finds `plait.tf.keras.x` as the module x of Keras."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(__name__ + "."):
            return None
        real = _REAL + fullname[len(__name__) :]
        found = importlib.util.find_spec(real)
        if found is None:
            return None
        package = found.submodule_search_locations is not None
        loader: Any = AliasLoader(real)  # has the methods of a Loader, not the base
        return ModuleSpec(fullname, loader, origin=found.origin, is_package=package)


def _load() -> Any:
    if importlib.util.find_spec("keras") is None:
        raise ImportError("tf.keras needs Keras: pip install 'plait[keras]'")
    os.environ.setdefault("KERAS_BACKEND", "plait")
    from keras_plait import hook

    hook.install()
    import keras  # type: ignore[import-not-found]  # an extra

    if keras.config.backend() != "plait":
        raise ImportError(
            f"tf.keras: Keras runs on the backend {keras.config.backend()!r}; set "
            "KERAS_BACKEND=plait, or import plait.tf before keras"
        )
    from keras_plait import tensorflow

    tensorflow.connect()
    sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]  # a finder by its methods
    return importlib.import_module(_REAL)


sys.modules[__name__] = _load()
