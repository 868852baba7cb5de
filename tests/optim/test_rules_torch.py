"""Fifty steps of every optimizer give PyTorch's parameters and state."""

import numpy as np
import pytest

import plait
from tests.optim.rules import CASES, trained

torch = pytest.importorskip("torch")

# Double: rounding of 50 steps. Single: the same, relative to values up to about 30.
TOLERANCE = {"float64": 1e-12, "float32": 3e-6}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_fifty_steps(case, dtype):
    name, options = CASES[case]
    params, optimizer = trained(plait, name, options, dtype)
    expected_params, expected_optimizer = trained(torch, name, options, dtype)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for param, expected in zip(params, expected_params):
        np.testing.assert_allclose(param.detach().numpy(), expected.detach().numpy(), **tolerance)
        state, expected_state = optimizer.state[param], expected_optimizer.state[expected]
        assert list(state) == list(expected_state)
        for key, value in expected_state.items():
            assert str(state[key].dtype) == str(value.dtype)
            np.testing.assert_allclose(state[key].numpy(), value.numpy(), **tolerance)
    ours, theirs = optimizer.param_groups[0], expected_optimizer.param_groups[0]
    assert {k: v for k, v in ours.items() if k != "params"} == {
        k: v for k, v in theirs.items() if k != "params"
    }


BAD = [
    ("SGD", {"lr": -1}),
    ("SGD", {"momentum": -1}),
    ("SGD", {"weight_decay": -1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"foreach": True, "fused": True}),
    ("SGD", {"fused": True, "differentiable": True}),
    ("Adam", {"lr": -1}),
    ("Adam", {"eps": -1}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, 1.0)}),
    ("Adam", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("RMSprop", {"momentum": -1}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adadelta", {"rho": -1}),
    ("NAdam", {"momentum_decay": -1}),
    ("Rprop", {"etas": (2, 1)}),
    ("ASGD", {"weight_decay": -1}),
    ("LBFGS", {"lr": -1}),
]


@pytest.mark.parametrize(("name", "options"), BAD)
def test_refused_options(name, options):
    with pytest.raises((ValueError, RuntimeError)) as expected:
        getattr(torch.optim, name)([torch.ones(2, requires_grad=True)], **options)
    with pytest.raises(expected.type) as received:
        getattr(plait.optim, name)([plait.ones(2, requires_grad=True)], **options)
    # The user's line follows PyTorch's words.
    assert str(received.value).partition("\n  at ")[0] == str(expected.value)


def rosenbrock(framework, **options):
    point = framework.tensor([-1.5, 2.0], dtype=framework.float64, requires_grad=True)
    optimizer = framework.optim.LBFGS([point], **options)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(4):
        optimizer.step(closure)
    return point.tolist(), losses, optimizer.state[optimizer.param_groups[0]["params"][0]]


@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.01},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7},
    ],
)
def test_lbfgs(options):
    point, losses, state = rosenbrock(plait, **options)
    expected_point, expected_losses, expected_state = rosenbrock(torch, **options)
    # Curvature estimates amplify the last bits of early steps.
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(point, expected_point, rtol=1e-6)
    assert set(state) == set(expected_state)
    assert state["n_iter"] == expected_state["n_iter"]
    assert state["func_evals"] == expected_state["func_evals"]
