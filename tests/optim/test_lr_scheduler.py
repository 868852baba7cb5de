"""Schedules without PyTorch: stored rates, errors, warnings, tensors as rates."""

import warnings

import pytest

import plait
from plait.optim import lr_scheduler
from plait.optim.optimizer import Optimizer


class Plain(Optimizer):
    """An optimizer that leaves the parameters alone."""

    def __init__(self, params, lr=0.1, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def step(self, closure=None):
        return None


def make(lr=0.1):
    return Plain([plait.zeros(2, requires_grad=True)], lr=lr)


# Rates that PyTorch 2.13 gives for lr 0.1 in the first epochs.
STORED = {
    "StepLR": ((2, 0.5), [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]),
    "MultiStepLR": (([2, 4], 0.1), [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]),
    "ExponentialLR": ((0.5,), [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125]),
    "ConstantLR": ((0.5, 3), [0.05, 0.05, 0.05, 0.1, 0.1, 0.1]),
    "LinearLR": ((0.5, 1.0, 4), [0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1]),
    "PolynomialLR": ((4, 1.0), [0.1, 0.075, 0.05, 0.025, 0.0, 0.0]),
    "CosineAnnealingLR": ((4,), [0.1, 0.08535533905932738, 0.05, 0.014644660940672627, 0.0]),
    "LambdaLR": ((lambda epoch: 1 / (1 + epoch),), [0.1, 0.05, 0.1 / 3, 0.025, 0.02]),
    "CosineAnnealingWarmRestarts": ((2, 1), [0.1, 0.05, 0.1, 0.05, 0.1]),
    "CyclicLR": ((0.02, 0.1, 2), [0.02, 0.06, 0.1, 0.06, 0.02, 0.06]),
    "OneCycleLR": (
        (0.1, 10),
        [0.004, 0.052, 0.1, 0.09504846320134738, 0.0811745653949763, 0.06112620219362893],
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_rates(name):
    args, expected = STORED[name]
    optimizer = make()
    scheduler = getattr(lr_scheduler, name)(optimizer, *args)
    rates = []
    for _ in expected:
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    # Some are stored rounded: 1e-12 is far above that rounding, far below any wrong factor.
    assert rates == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_tensor_rate_is_written_in_place():
    rate = plait.tensor(0.1)
    optimizer = make(lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05, rel=1e-6)  # float32


def test_warns_of_wrong_order():
    scheduler = lr_scheduler.StepLR(make(), 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_right_order_does_not_warn():
    optimizer = make()
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            optimizer.step()
            scheduler.step()


def test_warns_of_get_lr_and_epoch_and_verbose():
    optimizer = make()
    with pytest.warns(UserWarning, match="verbose parameter is deprecated"):
        scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5, verbose=True)
    optimizer.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda o: lr_scheduler.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda o: lr_scheduler.StepLR(o, 1, last_epoch=2), KeyError, "initial_lr"),
        (lambda o: lr_scheduler.LambdaLR(o, [abs, abs]), ValueError, "Expected 1 lr_lambdas"),
        (lambda o: lr_scheduler.MultiplicativeLR(o, 3), TypeError, "should be a function"),
        (lambda o: lr_scheduler.ConstantLR(o, 2.0), ValueError, "between 0 and 1"),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: lr_scheduler.LinearLR(o, 0.5, 2.0), ValueError, "Ending multiplicative"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "total_steps OR"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, -5), ValueError, "positive integer total"),
        (lambda o: lr_scheduler.OneCycleLR(o, [1, 2], 9), ValueError, "same length"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="x"), ValueError, "mode is invalid"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, "x"), ValueError, "mode x is unknown"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "< 1.0"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer"),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "at least one"),
        (lambda o: lr_scheduler.ChainedScheduler([]), ValueError, "at least one"),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [1]),
            ValueError,
            "one more than",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(make())


def test_onecycle_ends():
    optimizer = make()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=3)
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        for _ in range(4):
            optimizer.step()
            scheduler.step()


def test_old_base_name():
    assert issubclass(lr_scheduler._LRScheduler, lr_scheduler.LRScheduler)
    assert lr_scheduler.StepLR.__module__ == "plait.optim.lr_scheduler"
