"""Files: PyTorch's own checkpoint format, read and written without PyTorch.

`save` and `load` are what `plait.save` and `plait.load` mean; the functions around `safe_globals`
manage what a restricted load may build. Nothing here needs a tensor library besides NumPy, and all
contact with Plait's tensors is in `tensor_bridge`.
"""

from plait.io.allowlist import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from plait.io.serialization import get_unsafe_globals_in_checkpoint, load, save

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]
