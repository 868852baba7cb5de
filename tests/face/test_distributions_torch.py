"""Distributions: PyTorch's densities, moments, entropies, divergences and shapes."""

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch")


def pairs(framework):
    """name: (distribution, another of its kind or None, a value)."""
    made = framework.distributions

    def t(values):
        return framework.tensor(values, dtype=framework.float64)

    a, b, p = t([0.5, 1.5, 2.0]), t([0.7, 0.2, 3.0]), t([0.2, 0.5, 0.9])
    logits = t([[0.1, 2.0, -1.0], [0.0, 0.5, 0.2]])
    probs = t([[0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    x = t([0.3, -1.0, 2.0])
    return {
        "Normal": (made.Normal(a, b), made.Normal(b, a), x),
        "LogNormal": (made.LogNormal(a, b), None, b),
        "Laplace": (made.Laplace(a, b), made.Laplace(b, a), x),
        "Uniform": (made.Uniform(-a, b), made.Uniform(-a - 1, b + 1), t([0.1, 0.1, 0.1])),
        "Exponential": (made.Exponential(a), made.Exponential(b), b),
        "Bernoulli": (made.Bernoulli(p), made.Bernoulli(logits=a), t([0.0, 1.0, 1.0])),
        "Bernoulli logits": (made.Bernoulli(logits=a), made.Bernoulli(p), t([0.0, 1.0, 1.0])),
        "Categorical": (
            made.Categorical(probs),
            made.Categorical(logits=logits),
            framework.tensor([1, 2]),
        ),
        "Categorical logits": (
            made.Categorical(logits=logits),
            made.Categorical(probs),
            framework.tensor([[1, 2], [0, 0]]),
        ),
        "OneHotCategorical": (
            made.OneHotCategorical(probs),
            made.OneHotCategorical(logits=logits),
            t([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
        ),
        "Gamma": (made.Gamma(a, b), made.Gamma(b, a), b),
        "Beta": (made.Beta(a, b), made.Beta(b, a), p),
        "Dirichlet": (made.Dirichlet(a), made.Dirichlet(b), t([0.2, 0.3, 0.5])),
        "Independent": (
            made.Independent(made.Normal(a, b), 1),
            made.Independent(made.Normal(b, a), 1),
            x,
        ),
    }


@pytest.mark.parametrize("name", pairs(torch))
def test_distribution(name):
    ours, our_other, our_value = pairs(plait)[name]
    theirs, their_other, their_value = pairs(torch)[name]
    results = [
        (ours.log_prob(our_value), theirs.log_prob(their_value)),
        (ours.entropy(), theirs.entropy()),
        (ours.mean, theirs.mean),
        (ours.variance, theirs.variance),
    ]
    if our_other is not None:
        results.append(
            (
                plait.distributions.kl_divergence(ours, our_other),
                torch.distributions.kl_divergence(theirs, their_other),
            )
        )
    for mine, expected in results:
        assert tuple(mine.shape) == tuple(expected.shape)
        # Special functions are our own: their error bounds, not the last bit.
        np.testing.assert_allclose(mine.tolist(), expected.tolist(), rtol=1e-9, equal_nan=True)
    assert tuple(ours.sample((4, 2)).shape) == tuple(theirs.sample((4, 2)).shape)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(ours.event_shape) == tuple(theirs.event_shape)


@pytest.mark.parametrize(
    "make",
    [
        lambda d, t: d.Normal(0.0, -1.0),
        lambda d, t: d.Bernoulli(t.tensor([0.5])).log_prob(t.tensor([0.3])),
        lambda d, t: d.Categorical(),
        lambda d, t: d.Categorical(t.tensor(0.5)),
    ],
)
def test_refused_arguments(make):
    for framework in (torch, plait):
        with pytest.raises(ValueError) as found:
            make(framework.distributions, framework)
        if framework is torch:
            expected = str(found.value)
    assert str(found.value).startswith(expected[:80])


def test_moments_of_draws():
    plait.manual_seed(3)
    made = plait.distributions
    a, b = plait.tensor([0.5, 3.0]), plait.tensor([2.0, 1.0])
    for distribution in (made.Gamma(a, b), made.Beta(a, b), made.Laplace(a, b)):
        drawn = distribution.sample((20000,))
        # The mean of n draws is off by about sigma / sqrt(n): five of these.
        slack = 5 * distribution.stddev / 20000**0.5
        assert bool(((drawn.mean(0) - distribution.mean).abs() < slack).all())


def test_gradients_through_draws():
    loc = plait.zeros(3, requires_grad=True)
    drawn = plait.distributions.Normal(loc, plait.ones(3)).rsample((5,))
    drawn.sum().backward()
    assert loc.grad.tolist() == [5.0] * 3
    with pytest.raises(NotImplementedError, match=r"Gamma\.rsample"):
        plait.distributions.Gamma(plait.ones(1), plait.ones(1)).rsample()
