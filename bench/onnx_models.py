"""The inference workloads on ONNX Runtime: what PyTorch exports of their models.

It has no training. Needs PyTorch and `onnx` besides, for the export.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch

from bench.models import begun
from bench.workloads import Workload

_OPSET = 17


def build(
    workload: Workload, batches: Sequence[tuple[np.ndarray, ...]], threads: int
) -> tuple[Callable[..., Any], Sequence[tuple[np.ndarray, ...]]]:
    """(step, batches). Raises ValueError for training."""
    if workload.trains:
        raise ValueError(f"ONNX Runtime does not train ({workload.name})")
    model = begun(workload).eval()
    file = io.BytesIO()
    example = tuple([torch.from_numpy(array) for array in batches[0]])
    torch.onnx.export(model, example, file, dynamo=False, opset_version=_OPSET)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    names = [given.name for given in session.get_inputs()]

    def step(*inputs: np.ndarray) -> Any:
        return session.run(None, dict(zip(names, inputs)))[0]

    return step, batches
