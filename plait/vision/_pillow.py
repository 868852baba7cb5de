"""The one place where Pillow is imported, so that its absence is one clear error."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def pillow_image() -> ModuleType:
    """The module `PIL.Image`; ImportError naming the extra when Pillow is missing."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "images need Pillow, which is not installed: pip install 'plait[vision]'"
        ) from error
    return Image


def is_pillow_image(value: Any) -> bool:
    """True for a Pillow image. Never imports Pillow: without it there can be no image."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)
