"""What a Keras layer is besides: a place for PyTorch-style modules."""

from __future__ import annotations

from typing import Any

import plait as torch


class PlaitLayer:
    """The mixin of layers."""

    def _setattr_hook(self, name: str, value: Any) -> tuple[str, Any]:
        """A module that becomes an attribute becomes a layer, so that its weights are known."""
        if isinstance(value, torch.nn.Module):
            from keras_plait.crossing import ModuleLayer

            value = ModuleLayer(value)
        return name, value


#: The name by which Keras 3.16 finds it.
BackendLayer = PlaitLayer
