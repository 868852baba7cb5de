"""`torch.onnx`: nothing is exported; models ask whether an export is running."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built, unbuilt

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """Whether a model is being exported: never."""
    return False


def export(*args: Any, **kwargs: Any) -> Any:
    """A model as an ONNX file."""
    raise not_built("torch.onnx.export")


__getattr__ = unbuilt(
    "torch.onnx",
    (
        "OperatorExportTypes",
        "TensorProtoDataType",
        "TrainingMode",
        "dynamo_export",
        "operators",
        "register_custom_op_symbolic",
        "symbolic_helper",
        "symbolic_opset11",
    ),
)
