"""What `PLAIT_LOG` asks to be told about, on standard error."""

from __future__ import annotations

import sys
from typing import Any

from plait.core.runtime.config import flag


def log(topic: str, function: Any, text: str) -> None:
    """Print one line about a compiled function if PLAIT_LOG lists the topic."""
    topics = str(flag("PLAIT_LOG"))
    if topic in topics.split(","):
        name = getattr(function, "__qualname__", type(function).__name__)
        print(f"plait [{topic}] {name}: {text}", file=sys.stderr)
