"""Names of classes in checkpoints: Plait's modules bear PyTorch's names there, and back.

Takes and gives module names; no class is imported here.
"""

from __future__ import annotations

# Packages of Plait without a counterpart keep their names; the first match decides.
_OWN = ("plait.core", "plait.io", "plait.tf", "plait.cli", "plait.serve")
_PAIRS = (("plait.vision", "torchvision"), ("plait.audio", "torchaudio"), ("plait", "torch"))


def to_torch(module: str) -> str:
    """The module name under which PyTorch knows `module`, e.g. plait.nn.modules.linear's."""
    if any(_within(module, own) for own in _OWN):
        return module
    for ours, theirs in _PAIRS:
        if _within(module, ours):
            return theirs + module[len(ours) :]
    return module


def from_torch(module: str) -> str:
    """Plait's module for a name found in a checkpoint; other names are returned as they are."""
    for ours, theirs in _PAIRS:
        if _within(module, theirs):
            return ours + module[len(theirs) :]
    return module


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
