"""Loading Keras on Plait, and what the two share."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

from plait.aliasing import look_after_foreign


def load() -> Any:
    """The module `keras`, with Plait as its backend.

    Raises ImportError where Keras is not installed, or has been imported with another backend.
    """
    if importlib.util.find_spec("keras") is None:
        raise ImportError("tf.keras needs Keras: pip install 'plait[keras]'")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "plait"
        from keras_plait import hook

        hook.install()
    import keras  # type: ignore[import-not-found]  # an extra

    if keras.config.backend() != "plait":
        raise ImportError(
            f"tf.keras needs Keras on Plait, but Keras has been imported with the backend "
            f"{keras.config.backend()!r}: set KERAS_BACKEND=plait, or import tensorflow first"
        )
    look_after_foreign()
    _take_files_at_hand()
    return keras


def _take_files_at_hand() -> None:
    """Have Keras' data sets take the files that are in its cache as they are: Keras compares them
    with a hash, and fetches others where they differ."""
    from keras.src import datasets  # type: ignore[import-not-found]  # an extra
    from keras.src.utils import file_utils  # type: ignore[import-not-found]  # an extra

    fetch = file_utils.get_file

    def get_file(fname: Any = None, origin: Any = None, *args: Any, **kwargs: Any) -> Any:
        home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
        folder = kwargs.get("cache_subdir", "datasets")
        path = os.path.join(kwargs.get("cache_dir") or home, folder, fname or "")
        if fname and os.path.isfile(path) and not kwargs.get("extract"):
            return path
        return fetch(fname, origin, *args, **kwargs)

    for module in vars(datasets).values():
        if getattr(module, "get_file", None) is fetch:
            module.get_file = get_file
