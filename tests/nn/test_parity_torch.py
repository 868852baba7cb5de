"""Every layer and loss against the real PyTorch: weights, printing, keys, values, gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import plait
from plait import nn
from tests.nn.module_cases import LAYERS, LOSSES, Case
from tests.nn.module_runs import run

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

# Default initialisations draw uniformly (exact); normal draws differ by a few units in the last
# place where vector libraries round cosines and logarithms differently.
WEIGHT_TOLERANCE = 5e-7

# Both sides compute in float64; sums are at most a few hundred terms long, in another order.
TOLERANCE = 1e-10


def make(module: Any, case: Case) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module, case.name)(*case.args, **case.kwargs)


def pair(case: Case) -> tuple[Any, Any]:
    """The layer of both frameworks in float64, with the same weights."""
    ours, theirs = make(nn, case).double(), make(torch.nn, case).double()
    state = {k: plait.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize("case", LAYERS + LOSSES, ids=lambda case: case.label)
def test_repr_and_state_keys(case: Case) -> None:
    ours, theirs = make(nn, case), make(torch.nn, case)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.label)
def test_same_seed_gives_the_same_weights(case: Case) -> None:
    plait.manual_seed(7)
    ours = make(nn, case)
    torch.manual_seed(7)
    theirs = make(torch.nn, case)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values()):
        a, b = np.asarray(a.numpy()), b.numpy()
        assert a.dtype == b.dtype, name
        np.testing.assert_allclose(a, b, rtol=WEIGHT_TOLERANCE, atol=WEIGHT_TOLERANCE, err_msg=name)


@pytest.mark.parametrize("case", LAYERS + LOSSES, ids=lambda case: case.label)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_values_and_gradients(case: Case, training: bool) -> None:
    ours, theirs = pair(case)
    ours.train(training)
    theirs.train(training)
    our_values, our_gradients = run(plait, ours, case)
    their_values, their_gradients = run(torch, theirs, case)
    assert len(our_values) == len(their_values)
    for a, b in zip(our_values, their_values):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)
    assert len(our_gradients) == len(their_gradients)
    # PyTorch's gradient of hardsigmoid multiplies by 1/6 as a float32, in float64 too.
    tolerance = 1e-7 if "Hardsigmoid" in case.label else TOLERANCE
    for a, b in zip(our_gradients, their_gradients):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(ours.buffers(), theirs.buffers()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=TOLERANCE, atol=TOLERANCE)
