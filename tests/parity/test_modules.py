"""Every layer and loss with fixed weights: values, gradients, buffers, keys, text."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from tests.nn.module_cases import LAYERS, LOSSES, Case
from tests.nn.module_runs import run
from tests.parity.compare import Hunt

#: float64 on both sides, sums of at most a few hundred terms.
TOLERANCE = 1e-10
#: PyTorch's gradient of hardsigmoid multiplies by 1/6 as a float32, in float64 too.
LOOSE = {"Hardsigmoid()": 1e-7}


CASES = {f"{number} {case.label}": case for number, case in enumerate((*LAYERS, *LOSSES))}


def outcome_of(t: Any, case: Case, training: bool) -> Any:
    """What a layer gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = getattr(t.nn, case.name)(*case.args, **case.kwargs).double()
    rng = np.random.default_rng(5)
    with t.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(t.from_numpy(0.5 * rng.standard_normal(tuple(parameter.shape))))
    layer.train(training)
    values, gradients = run(t, layer, case)
    return [values, gradients, list(layer.buffers()), list(layer.state_dict()), repr(layer)]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("label", CASES)
def test_layer(label: str, training: bool) -> None:
    hunt = Hunt("modules", label)
    tolerance = LOOSE.get(CASES[label].label, TOLERANCE)
    hunt.check(
        "train" if training else "eval",
        lambda t: outcome_of(t, CASES[label], training),
        tolerance=tolerance,
    )
    hunt.verdict()
