"""Every schedule against the real PyTorch: 50 steps of rates and momenta, states, closed forms.

The arithmetic is the same in the same order, so that equality is exact.
"""

import copy
import warnings

import pytest

import plait
import plait.optim.lr_scheduler as ours
from plait.optim.optimizer import Optimizer
from tests.optim.schedules import ADAM, CASES, SGD, run

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")
theirs = torch.optim.lr_scheduler


class Plain(Optimizer):
    """An optimizer that leaves the parameters alone."""

    def __init__(self, params, **defaults):
        super().__init__(params, defaults)

    def step(self, closure=None):
        return None


def make_ours(options):
    params = [plait.zeros(2, requires_grad=True) for _ in range(2)]
    return Plain([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.3}], **options)


def make_theirs(options):
    params = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    cls = torch.optim.Adam if "betas" in options else torch.optim.SGD
    return cls([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.3}], **options)


@pytest.mark.parametrize("options", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("name", CASES)
def test_fifty_steps(name, options):
    mine, real = make_ours(options), make_theirs(options)
    assert run(CASES[name](ours, mine), mine) == run(CASES[name](theirs, real), real)


@pytest.mark.parametrize("name", CASES)
def test_state_has_pytorch_keys_and_resumes(name):
    mine, real = make_ours(SGD), make_theirs(SGD)
    first, reference = CASES[name](ours, mine), CASES[name](theirs, real)
    run(first, mine, 9)
    run(reference, real, 9)
    state = copy.deepcopy(first.state_dict())
    ignored = {"_is_initial"}
    assert set(state) - ignored == set(reference.state_dict()) - ignored
    saved_groups = [dict(group) for group in mine.param_groups]
    expected = run(first, mine, 20)

    fresh = make_ours(SGD)
    second = CASES[name](ours, fresh)
    for group, saved in zip(fresh.param_groups, saved_groups):
        group.update({key: value for key, value in saved.items() if key != "params"})
    second.load_state_dict(state)
    assert run(second, fresh, 20) == expected


@pytest.mark.parametrize(
    "name", ["step", "multistep", "constant", "linear", "exponential", "polynomial", "cosine"]
)
def test_closed_form(name):
    results = []
    for module, make in ((ours, make_ours), (theirs, make_theirs)):
        optimizer = make(SGD)
        scheduler = CASES[name](module, optimizer)
        optimizer.step()
        rates = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (0, 3, 11, 40, 2):
                scheduler.step(epoch)
                rates.append(scheduler.get_last_lr())
        results.append(rates)
    assert results[0] == results[1]


def test_restarts_at_fractions():
    results = []
    for module, make in ((ours, make_ours), (theirs, make_theirs)):
        optimizer = make(SGD)
        scheduler = module.CosineAnnealingWarmRestarts(optimizer, 3, 2)
        rates = []
        for epoch in (0.0, 0.5, 2.9, 3.0, 8.25, 10.0, 25.5):
            scheduler.step(epoch)
            rates.append((scheduler.get_last_lr(), scheduler.last_epoch))
        results.append(rates)
    assert results[0] == results[1]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateau(mode, threshold_mode):
    measures = [
        1.0,
        0.9,
        0.91,
        0.92,
        0.8999,
        0.95,
        0.95,
        0.5,
        0.5,
        0.5,
        0.6,
        0.7,
        0.7,
        0.7,
        0.2,
    ] * 3
    results = []
    for module, make in ((ours, make_ours), (theirs, make_theirs)):
        optimizer = make(SGD)
        scheduler = module.ReduceLROnPlateau(
            optimizer,
            mode,
            0.5,
            patience=2,
            threshold=0.01,
            threshold_mode=threshold_mode,
            cooldown=1,
            min_lr=[0.001, 0.01],
        )
        rates = []
        for measure in measures:
            scheduler.step(measure)
            rates.append((scheduler.get_last_lr(), scheduler.num_bad_epochs, scheduler.best))
        results.append((rates, sorted(scheduler.state_dict())))
    assert results[0] == results[1]


def test_resuming_with_last_epoch():
    results = []
    for module, make in ((ours, make_ours), (theirs, make_theirs)):
        optimizer = make(SGD)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        results.append(run(module.StepLR(optimizer, 4, 0.5, last_epoch=6), optimizer, 12))
    assert results[0] == results[1]
