"""`tf.keras`: the real Keras, with Plait as its backend."""

from __future__ import annotations

import importlib.util
import os
from typing import Any


def load() -> Any:
    """Keras on Plait. Raises ImportError naming what is missing."""
    if importlib.util.find_spec("plait.keras_backend") is None:
        raise ImportError(
            "tf.keras needs Keras on Plait, which is not built yet; it will come with "
            "`pip install plait[keras]`"
        )
    if importlib.util.find_spec("keras") is None:
        raise ImportError("tf.keras needs Keras: pip install plait[keras]")
    os.environ.setdefault("KERAS_BACKEND", "plait")
    import keras  # type: ignore[import-not-found]  # an extra

    return keras
