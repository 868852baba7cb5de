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

    def _read_by_steps(self) -> tuple[list[Any], list[dict[str, Any]]]:
        """What a compiled step of PyTorch's kind compares before each replay: the weights'
        identities and the plain settings of all layers. Python code of layers runs when a step is
        recorded, as everywhere in Keras."""
        layer: Any = self
        weights = [variable._value for variable in layer.variables]
        return weights, [vars(part) for part in layer._flatten_layers()]


#: The name by which Keras 3.16 finds it.
BackendLayer = PlaitLayer
