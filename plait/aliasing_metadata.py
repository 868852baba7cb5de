"""What `importlib.metadata` learns of an aliased package: whose version it stands for."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from plait.version import (
    AUDIO_INTERFACE,
    TENSORFLOW_INTERFACE,
    TORCH_INTERFACE,
    VISION_INTERFACE,
)

VERSIONS = {
    "torch": TORCH_INTERFACE,
    "torchvision": VISION_INTERFACE,
    "torchaudio": AUDIO_INTERFACE,
    "tensorflow": TENSORFLOW_INTERFACE,
}


class AliasDistribution(importlib.metadata.Distribution):
    """The distribution that stands for an alias; it has a name, a version and no files."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {VERSIONS[self._name]}\n"

    def locate_file(self, path: Any) -> Path:
        return Path(__file__).resolve().parent.parent / path
