"""Optimizers: stored results, one run per step, failures that change nothing."""

import copy

import numpy as np
import pytest

import plait
from plait.core.runtime import realize
from tests.optim.rules import CASES, trained


@pytest.fixture
def graphs():
    """The graphs that are run during a test."""
    seen = []
    realize.observers.append(seen.append)
    yield seen
    realize.observers.remove(seen.append)


# The scalar parameter after 50 steps in float64, computed with PyTorch 2.13.
STORED = {
    "sgd": -0.12892207695161287,
    "sgd-momentum": -1.0398918655753286,
    "sgd-nesterov": 0.6241844077848284,
    "sgd-dampening": 0.04619806912696394,
    "adam": 0.06254613801551073,
    "adam-amsgrad": 0.06216266870404125,
    "adam-maximize": 0.06232363039813504,
    "adamw": 0.06251356350622446,
    "adamw-amsgrad": 0.06251382091324732,
    "rmsprop": 0.13900931930643945,
    "rmsprop-centered": 0.11775440035418534,
    "adagrad": 0.07484993294079154,
    "adadelta": 0.05406656083572266,
    "adadelta-decay": 0.0654012367965831,
    "adamax": 0.06503339968494962,
    "nadam": 0.05605804649353005,
    "nadam-decoupled": 0.05542206564348207,
    "radam": 0.06398139621486779,
    "radam-decay": 0.06391308406659675,
    "rprop": 0.08645913397100646,
    "asgd": 0.037490575518639005,
    "adafactor": 0.059013607756816994,
    "adafactor-decay": 0.0043634617360248035,
    "adafactor-floors": 0.05875913306546685,
}


@pytest.mark.parametrize("case", STORED)
def test_stored_values(case):
    name, options = CASES[case]
    params, _ = trained(plait, name, options, "float64")
    assert params[1].item() == pytest.approx(STORED[case], rel=1e-12)


def model(count):
    params = [plait.ones(2, 3, requires_grad=True) for _ in range(count)]
    sum((p * p).sum() for p in params).backward()
    return params


@pytest.mark.parametrize(
    ("name", "most"), [("SGD", 3), ("Adam", 14), ("AdamW", 16), ("RMSprop", 10), ("Adagrad", 8)]
)
@pytest.mark.plain
def test_a_step_is_one_run_of_few_operations(name, most, graphs):
    params = model(4)
    optimizer = getattr(plait.optim, name)(params, lr=0.1)
    optimizer.step()
    for param in params:
        param.grad = plait.ones(2, 3)
        param.grad.numpy()  # computed beforehand: the run holds the update alone
    graphs.clear()
    optimizer.step()
    assert len(graphs) == 1
    computing = [i for i in graphs[0].instructions if i.op.name != "full"]
    assert len(computing) <= most * len(params)


def test_a_failing_step_changes_nothing():
    plait.manual_seed(0)
    weight = plait.randn(4, 3, requires_grad=True)
    optimizer = plait.optim.Adam([weight], lr=0.1)

    def loss(rows):
        optimizer.zero_grad()
        return weight.exp().gather(0, rows[:, None]).sum()

    loss(plait.tensor([0, 1, 2, 0, 1])).backward()
    optimizer.step()
    state = optimizer.state[weight]
    before = [weight.tolist(), state["step"].item(), state["exp_avg"].tolist()]
    # The rows are not known yet when the step is recorded: the fault is found in its run.
    late = plait.tensor([0, 1, 2, 0, 1]) + plait.tensor([0, 0, 0, 0, 7])
    with pytest.raises((IndexError, RuntimeError)):
        loss(late).backward()
        optimizer.step()
    assert [weight.tolist(), state["step"].item(), state["exp_avg"].tolist()] == before


@pytest.mark.plain
def test_a_failing_first_step_leaves_no_state():
    weight = plait.ones(3, requires_grad=True)
    optimizer = plait.optim.Adam([weight])
    index = plait.tensor([0, 1]) + plait.tensor([0, 7])
    with pytest.raises((IndexError, RuntimeError)):
        weight.gather(0, index).sum().backward()
        optimizer.step()
    assert not optimizer.state_dict()["state"]
    assert weight.tolist() == [1.0, 1.0, 1.0]


def test_user_written_optimizer_is_computed_by_its_step(graphs):
    class Halving(plait.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        @plait.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for param in group["params"]:
                    param.sub_(param.grad, alpha=0.5)

    params = model(3)
    graphs.clear()
    Halving(params).step()
    assert len(graphs) == 1
    assert params[0].tolist() == [[0.0] * 3] * 2


def test_closure_runs_with_gradients_and_gives_the_loss():
    param = plait.tensor([2.0], requires_grad=True)
    optimizer = plait.optim.SGD([param], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with plait.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0
    assert param.tolist() == [1.0]


def test_parameters_without_gradient_are_left_alone():
    used, unused = plait.ones(2, requires_grad=True), plait.ones(2, requires_grad=True)
    optimizer = plait.optim.Adam([used, unused], lr=0.5)
    used.sum().backward()
    optimizer.step()
    assert unused.tolist() == [1.0, 1.0]
    assert list(optimizer.state) == [used]


def test_state_dict_continues_a_run():
    first, optimizer = trained(plait, "Adam", {"lr": 0.1}, "float32", steps=3)
    copies = [p.detach().clone().requires_grad_() for p in first]
    other = plait.optim.Adam(copies, lr=0.7)
    # Loading shares tensors of the right dtype, as PyTorch's does.
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for params, rule in ((first, optimizer), (copies, other)):
        for param in params:
            param.grad = plait.ones_like(param)
        rule.step()
    for a, b in zip(first, copies):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    assert other.state[copies[0]]["step"].item() == 4


def test_shared_memory_is_updated_in_place():
    array = np.ones(3, np.float32)
    param = plait.from_numpy(array).requires_grad_()
    param.grad = plait.ones(3)
    plait.optim.SGD([param], lr=0.5).step()
    assert array.tolist() == [0.5, 0.5, 0.5]


def test_differentiable_step():
    start = plait.tensor([3.0], requires_grad=True)
    param = start.clone()
    param.retain_grad()
    optimizer = plait.optim.SGD([param], lr=0.25, differentiable=True)
    (param * param).sum().backward(create_graph=True)
    optimizer.step()
    assert param.tolist() == [1.5]  # w - 2 w / 4
    (slope,) = plait.autograd.grad(param.sum(), start)
    assert slope.tolist() == [0.5]


def test_duplicate_parameters_are_updated_in_turn():
    param = plait.tensor([1.0], requires_grad=True)
    param.grad = plait.tensor([1.0])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = plait.optim.SGD([param, param], lr=0.25)
    optimizer.step()
    assert param.tolist() == [0.5]


def matrices(framework, steps, **options):
    """(matrix, optimizer) after steps of Muon."""
    rng = np.random.default_rng(3)
    matrix = framework.nn.Parameter(framework.tensor(rng.standard_normal((4, 3)).tolist()))
    optimizer = framework.optim.Muon([matrix], **options)
    for _ in range(steps):
        matrix.grad = framework.tensor(rng.standard_normal((4, 3)).tolist())
        optimizer.step()
    return matrix, optimizer


def test_muon_steps_are_near_orthogonal():
    rng = np.random.default_rng(3)
    start = rng.standard_normal((4, 3)).astype(np.float32)
    matrix, _ = matrices(plait, 1, lr=1.0, weight_decay=0.0, ns_steps=30)
    # Newton-Schulz with these coefficients leaves singular values between 0.7 and 1.2; those of
    # the first step are times sqrt(4 / 3).
    values = np.linalg.svd(matrix.detach().numpy() - start, compute_uv=False) / (4 / 3) ** 0.5
    assert (values > 0.65).all()
    assert (values < 1.25).all()


def test_muon_with_another_number_of_steps_is_not_replayed():
    matrix, optimizer = matrices(plait, 3)
    once = matrix.detach().clone()
    optimizer.param_groups[0]["ns_steps"] = 100
    with pytest.raises(ValueError, match="less than 100"):
        optimizer.step()
    assert plait.equal(matrix.detach(), once)
