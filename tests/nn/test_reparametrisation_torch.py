"""Weight and spectral normalisation, clipping and fusion against the real PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

# float64 on both sides; a few power iterations and small products.
TOLERANCE = 1e-10


def run(framework: Any, wrap: str, layer: str, args: tuple, options: dict, x: np.ndarray) -> list:
    """Two calls in training, one in evaluation; outputs, state and gradients."""
    framework.manual_seed(5)
    module = getattr(framework.nn, layer)(*args).double()
    with framework.no_grad():
        rng = np.random.default_rng(0)
        for parameter in module.parameters():
            parameter.copy_(framework.from_numpy(rng.standard_normal(tuple(parameter.shape))))
    module = getattr(framework.nn.utils, wrap)(module, **options)
    for name, buffer in module.named_buffers():  # normal draws differ in the last places
        fixed = np.random.default_rng(len(name)).standard_normal(tuple(buffer.shape))
        buffer.copy_(framework.from_numpy(fixed / np.linalg.norm(fixed)))
    inputs = framework.from_numpy(x)
    outputs = [module(inputs), module(inputs)]
    outputs[1].square().sum().backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    module.eval()
    outputs.append(module(inputs))
    values = [*outputs, *module.state_dict().values(), *gradients]
    names = list(module.state_dict())
    getattr(framework.nn.utils, f"remove_{wrap}")(module)
    values.append(module(inputs))
    return [
        names,
        [np.array(value.detach().numpy()) for value in values],
        list(module.state_dict()),
    ]


@pytest.mark.parametrize(
    ("wrap", "layer", "args", "options", "shape"),
    [
        ("weight_norm", "Linear", (3, 4), {}, (2, 3)),
        ("weight_norm", "Linear", (3, 4), {"dim": None}, (2, 3)),
        ("weight_norm", "Conv2d", (2, 3, 3), {}, (1, 2, 5, 5)),
        ("spectral_norm", "Linear", (3, 4), {}, (2, 3)),
        ("spectral_norm", "Conv2d", (2, 3, 3), {"n_power_iterations": 2}, (1, 2, 5, 5)),
        ("spectral_norm", "ConvTranspose2d", (2, 3, 3), {}, (1, 2, 4, 4)),
    ],
)
def test_reparametrised_layers(wrap, layer, args, options, shape) -> None:
    x = np.random.default_rng(1).standard_normal(shape)
    ours = run(plait, wrap, layer, args, options, x)
    theirs = run(torch, wrap, layer, args, options, x)
    assert ours[0] == theirs[0]
    for a, b in zip(ours[1], theirs[1]):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)
    assert sorted(ours[2]) == sorted(theirs[2])


@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_clipped_gradients(norm_type) -> None:
    results = []
    for framework in (plait, torch):
        rng = np.random.default_rng(2)
        parameters = []
        for shape in ((3, 4), (5,)):
            parameter = framework.nn.Parameter(framework.zeros(shape, dtype=framework.float64))
            parameter.grad = framework.from_numpy(rng.standard_normal(shape))
            parameters.append(parameter)
        total = framework.nn.utils.clip_grad_norm_(parameters, 1.0, norm_type)
        results.append([total.item(), *(p.grad.numpy() for p in parameters)])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE)
