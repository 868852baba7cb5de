"""Export of models: SavedModel is TensorFlow's, and is not written."""

from __future__ import annotations

from typing import Any, NoReturn


class PlaitExportArchive:
    """Refuses: a SavedModel holds a TensorFlow graph."""

    def track(self, resource: Any) -> NoReturn:
        raise NotImplementedError(_REFUSAL)

    def track_and_add_endpoint(
        self, name: str, resource: Any, input_signature: Any = None, **kwargs: Any
    ) -> NoReturn:
        raise NotImplementedError(_REFUSAL)

    def add_endpoint(
        self, name: str, fn: Any, input_signature: Any = None, **kwargs: Any
    ) -> NoReturn:
        raise NotImplementedError(_REFUSAL)


_REFUSAL = (
    "`export_saved_model` only currently supports the tensorflow, jax and torch backends. "
    "The plait backend writes no TensorFlow SavedModel; save the model with "
    "model.save('file.keras') and load it where it is used"
)

#: The name by which Keras 3.16 finds it.
SavedModelExportArchive = PlaitExportArchive
