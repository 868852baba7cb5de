"""Distributions: densities, moments, entropies, divergences, shapes and draws of PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parity.compare import Hunt
from tests.parity.distribution_cases import NAMES, made

#: Special functions are our own: their error bounds, not the last bit.
TOLERANCE = 1e-9
#: PyTorch computes log n! of the number of draws in float32.
LOOSE = {"Multinomial": 1e-7}


def answer(question: Any) -> Any:
    """What a question gives, or that it is refused."""
    try:
        return question()
    except NotImplementedError:
        return "NotImplementedError"


def told(f: Any, name: str) -> Any:
    """All that is asked of a distribution."""
    one, other, value = made(f, name)
    facts = [
        one.log_prob(value),
        answer(lambda: one.entropy()),
        answer(lambda: one.mean),
        answer(lambda: one.variance),
        one.batch_shape,
        one.event_shape,
        one.sample((4, 2)).shape,
    ]
    if other is not None:
        facts.append(f.distributions.kl_divergence(one, other))
    return facts


@pytest.mark.parametrize("name", NAMES)
def test_distribution(name: str) -> None:
    hunt = Hunt("distributions", name)
    hunt.check("facts", lambda f: told(f, name), tolerance=LOOSE.get(name, TOLERANCE))
    hunt.verdict()


def drawn(f: Any, name: str) -> Any:
    """A draw, and how it follows the location and scale."""
    loc = f.tensor([0.5, -1.0], dtype=f.float64, requires_grad=True)
    scale = f.tensor([1.5, 0.25], dtype=f.float64, requires_grad=True)
    above = loc.exp() + scale + loc
    arguments = (scale,) if name in ("Exponential", "HalfNormal") else (loc, above)
    f.manual_seed(3)
    values = getattr(f.distributions, name)(*arguments).rsample((3,))
    return [values, *f.autograd.grad((values * values).sum(), (loc, scale), allow_unused=True)]


@pytest.mark.parametrize(
    "name", ["Normal", "LogNormal", "Laplace", "Uniform", "Exponential", "HalfNormal"]
)
def test_draws_with_gradients(name: str) -> None:
    hunt = Hunt("distributions", name)
    hunt.check("draw", lambda f: drawn(f, name), tolerance=TOLERANCE)
    hunt.verdict()


MISTAKES = {
    "scale": lambda d, t: d.Normal(0.0, -1.0),
    "value": lambda d, t: d.Bernoulli(t.tensor([0.5])).log_prob(t.tensor([0.3])),
    "nothing": lambda d, t: d.Categorical(),
    "rank": lambda d, t: d.Categorical(t.tensor(0.5)),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", MISTAKES)
def test_refused_arguments(name: str) -> None:
    hunt = Hunt("distributions", name)
    hunt.check("mistake", lambda f: MISTAKES[name](f.distributions, f))
    hunt.verdict()
