"""Fifty steps of every optimizer give PyTorch's parameters and state."""

import numpy as np
import pytest

import plait
from tests.optim.rules import CASES, trained

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

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


@pytest.mark.parametrize(
    "options",
    [{}, {"nesterov": False, "weight_decay": 0.3}, {"adjust_lr_fn": "match_rms_adamw", "lr": 0.02}],
)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(3, 4), (7, 3), (1, 1)])
def test_fifty_steps_of_muon(options, dtype, shape):
    found = []
    for framework in (plait, torch):
        rng = np.random.default_rng(0)
        param = framework.nn.Parameter(framework.from_numpy(rng.standard_normal(shape, dtype)))
        optimizer = framework.optim.Muon([param], **options)
        for _ in range(50):
            param.grad = framework.from_numpy(rng.standard_normal(shape, dtype))
            optimizer.step()
        found.append((param, optimizer.state[param]["momentum_buffer"]))
    # The direction is computed in bfloat16, where sums in another order may round the other way:
    # by 2**-8 of each step's elements, which are about the rate.
    rate = 50 * options.get("lr", 1e-3) * 2**-8
    for (ours, theirs), tolerance in zip(zip(*found), (rate, TOLERANCE[dtype])):
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), atol=tolerance, rtol=tolerance
        )


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
    ("Adafactor", {"lr": -1}),
    ("Adafactor", {"d": 0.5}),
    ("Adafactor", {"beta2_decay": 0.5}),
    ("Adafactor", {"eps": (-1.0, 1.0)}),
    ("Adafactor", {"eps": (None, -1.0)}),
    ("Adafactor", {"weight_decay": -1}),
    ("Muon", {"lr": -1}),
    ("Muon", {"momentum": -1}),
    ("Muon", {"weight_decay": -1}),
    ("Muon", {"adjust_lr_fn": "none"}),
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
