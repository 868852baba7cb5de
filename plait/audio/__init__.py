"""Sound under torchaudio's names: files, functions on waves and spectra, modules.

WAVE files are read and written without another package; soundfile, an extra, does the others.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from plait._unbuilt import unbuilt
from plait.audio._files import AudioMetaData, info, load, save
from plait.version import AUDIO_INTERFACE

if TYPE_CHECKING:
    from plait.audio import functional, transforms

__version__ = AUDIO_INTERFACE

__all__ = [
    "AudioMetaData",
    "__version__",
    "functional",
    "get_audio_backend",
    "info",
    "list_audio_backends",
    "load",
    "save",
    "set_audio_backend",
    "transforms",
]

_not_built = unbuilt(
    "torchaudio",
    (
        "compliance",
        "datasets",
        "io",
        "kaldi_io",
        "load_with_torchcodec",
        "models",
        "pipelines",
        "prototype",
        "save_with_torchcodec",
        "sox_effects",
        "utils",
    ),
)


def list_audio_backends() -> list[str]:
    """["soundfile"] where the package is installed: what reads all but WAVE files."""
    return ["soundfile"] if importlib.util.find_spec("soundfile") is not None else []


def get_audio_backend() -> str | None:
    """The first of `list_audio_backends`."""
    return next(iter(list_audio_backends()), None)


def set_audio_backend(backend: str | None) -> None:
    """Nothing to choose: each format has one reader."""


def __getattr__(name: str) -> Any:
    if name in ("functional", "transforms"):
        return importlib.import_module(f"{__name__}.{name}")
    return _not_built(name)
