"""Draws of distributions: their moments, and gradients through them."""

import pytest

import plait


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


#: name: (distribution of two parameters, its mean)
_FAMILIES = {
    "Gamma": (lambda d, a, b: d.Gamma(a, b), lambda a, b: a / b),
    "Chi2": (lambda d, a, b: d.Chi2(a * b), lambda a, b: a * b),
    "Beta": (lambda d, a, b: d.Beta(a, b), lambda a, b: a / (a + b)),
    "InverseGamma": (lambda d, a, b: d.InverseGamma(a + 3, b), lambda a, b: b / (a + 2)),
    "FisherSnedecor": (
        lambda d, a, b: d.FisherSnedecor(4 * a, 30 * b),
        lambda a, b: 30 * b / (30 * b - 2) + 0 * a,
    ),
    "Dirichlet": (
        lambda d, a, b: d.Dirichlet(plait.stack([a, b, a + b], -1)),
        lambda a, b: plait.stack([a, b, a + b], -1) / (2 * (a + b)).unsqueeze(-1),
    ),
    "StudentT": (lambda d, a, b: d.StudentT(9 * a, b, b), lambda a, b: b + 0 * a),
}


@pytest.mark.parametrize("name", _FAMILIES)
def test_gradients_through_draws_of_the_gamma_family(name):
    # The mean over draws of the gradient of a draw is the gradient of the mean.
    make, mean = _FAMILIES[name]
    a = plait.tensor([0.6, 1.5, 3.0], dtype=plait.float64, requires_grad=True)
    b = plait.tensor([1.1, 0.7, 2.0], dtype=plait.float64, requires_grad=True)
    plait.manual_seed(1)
    made = make(plait.distributions, a, b)
    assert made.has_rsample
    weights = plait.tensor([0.3, -1.0, 0.6], dtype=plait.float64)[: made.event_shape.numel()]
    count = 20000
    drawn = made.rsample((count,))
    assert drawn.shape == (count, 3, *made.event_shape)
    expected = mean(a, b)
    total = drawn.mean(0) * weights if made.event_shape else drawn.mean(0)
    exact = expected * weights if made.event_shape else expected
    found = plait.autograd.grad(total.sum(), (a, b))
    for one, other in zip(found, plait.autograd.grad(exact.sum(), (a, b))):
        # 20,000 draws whose gradients have a deviation of 2 at most: 5 of 0.014.
        assert (one - other).abs().max() < 0.07


def test_steps_through_beta_draws():
    # An optimizer finds the distribution that a loss on its draws asks for: mean 0.8.
    plait.manual_seed(0)
    raw = plait.zeros(2, requires_grad=True)
    optimizer = plait.optim.Adam([raw], lr=0.05)
    for _ in range(150):
        a, b = plait.nn.functional.softplus(raw) + 1
        loss = (plait.distributions.Beta(a, b).rsample((64,)) - 0.8).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    a, b = plait.nn.functional.softplus(raw) + 1
    assert abs((a / (a + b)).item() - 0.8) < 0.05


def test_what_pytorch_calls_the_slopes():
    x = plait.tensor([0.3, 9.0], dtype=plait.float64)
    a = plait.tensor([0.1, 3.0], dtype=plait.float64)
    found = plait._standard_gamma_grad(a, x)
    # PyTorch 2.13 gives [4.006481, 1.739937]: its fits have three digits.
    assert found.tolist() == pytest.approx([4.006481, 1.739937], rel=1e-3)
    x = plait.tensor([0.3], dtype=plait.float64)
    found = plait._dirichlet_grad(x, plait.full_like(x, 2.5), plait.full_like(x, 3.5))
    assert found.item() == pytest.approx(0.1444767 / 0.7, rel=1e-3)
    with pytest.raises(RuntimeError, match="expected a floating tensor"):
        plait._standard_gamma(plait.tensor([1, 2]))


def test_a_mixture_shows_its_parts():
    made = plait.distributions
    parts = made.Categorical(plait.ones(2)), made.Normal(plait.zeros(2), plait.ones(2))
    assert repr(made.MixtureSameFamily(*parts)) == (
        "MixtureSameFamily(\n  Categorical(probs: torch.Size([2])),\n"
        "  Normal(loc: torch.Size([2]), scale: torch.Size([2])))"
    )
