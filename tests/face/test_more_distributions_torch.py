"""The further distributions and transforms: PyTorch's densities, moments, draws' shapes, names."""

import importlib

import numpy as np
import pytest

import plait

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")


def pairs(framework):
    """name: (distribution, another of its kind or None, a value)."""
    made = framework.distributions

    def t(values):
        return framework.tensor(values, dtype=framework.float64)

    a, b, p = t([0.5, 1.5, 2.5]), t([0.7, 0.2, 3.0]), t([0.2, 0.5, 0.9])
    x, n = t([0.3, -1.0, 2.0]), t([0.0, 2.0, 5.0])
    root = t([[1.0, 0.0, 0.0], [0.4, 0.8, 0.0], [-0.3, 0.2, 0.5]])
    matrix = root @ root.mT
    chances = t([[0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    tanh = made.transforms.TanhTransform(cache_size=1)
    affine = made.transforms.AffineTransform(a, b)
    return {
        "Cauchy": (made.Cauchy(x, b), made.Cauchy(a, p), a),
        "HalfCauchy": (made.HalfCauchy(b), None, a),
        "HalfNormal": (made.HalfNormal(b), made.HalfNormal(a), a),
        "Gumbel": (made.Gumbel(x, b), None, a),
        "Kumaraswamy": (made.Kumaraswamy(a, b), None, p),
        "Weibull": (made.Weibull(a, b), None, b),
        "Pareto": (made.Pareto(b, a), None, b + 0.5),
        "StudentT": (made.StudentT(t([0.5, 1.5, 4.0]), x, b), None, a),
        "Chi2": (made.Chi2(a), made.Chi2(b), b),
        "Poisson": (made.Poisson(a), made.Poisson(b), n),
        "Geometric": (made.Geometric(p), made.Geometric(t([0.3, 0.3, 0.3])), n),
        "Geometric logits": (made.Geometric(logits=x), None, n),
        "Binomial": (made.Binomial(t([3.0, 4.0, 6.0]), p), None, n),
        "Binomial logits": (made.Binomial(7, logits=x), None, n),
        "NegativeBinomial": (made.NegativeBinomial(a, p), None, n),
        "Multinomial": (made.Multinomial(6, chances), None, t([[1, 2, 3], [6, 0, 0]])),
        "MultivariateNormal": (
            made.MultivariateNormal(x, matrix),
            made.MultivariateNormal(a, scale_tril=root),
            t([[0.1, 0.2, 0.3], [1.0, -1.0, 0.5]]),
        ),
        "MultivariateNormal of a precision": (
            made.MultivariateNormal(x, precision_matrix=matrix),
            made.MultivariateNormal(a, matrix),
            a,
        ),
        "MultivariateNormal, batches": (
            made.MultivariateNormal(t([[0.0, 1.0], [2.0, 3.0]]), scale_tril=root[:2, :2]),
            None,
            t([[0.1, 0.2]]),
        ),
        "MixtureSameFamily": (
            made.MixtureSameFamily(made.Categorical(p), made.Normal(x, b)),
            None,
            t(0.4),
        ),
        "MixtureSameFamily of vectors": (
            made.MixtureSameFamily(
                made.Categorical(t([0.3, 0.7])), made.Independent(made.Normal(chances, b), 1)
            ),
            None,
            x,
        ),
        "RelaxedBernoulli": (made.RelaxedBernoulli(t(0.7), p), None, t([0.3, 0.6, 0.9])),
        "RelaxedOneHotCategorical": (
            made.RelaxedOneHotCategorical(t(0.7), chances),
            None,
            t([0.2, 0.3, 0.5]),
        ),
        "tanh of a normal": (
            made.TransformedDistribution(made.Normal(x, b), [tanh]),
            made.TransformedDistribution(made.Normal(a, b), [tanh]),
            t([0.3, -0.5, 0.9]),
        ),
        "a chain": (
            made.TransformedDistribution(
                made.Independent(made.Normal(x, b), 1),
                [affine, made.transforms.SigmoidTransform()],
            ),
            None,
            t([0.3, 0.5, 0.9]),
        ),
        "LogisticNormal": (made.LogisticNormal(x, b), None, t([0.2, 0.3, 0.1, 0.4])),
        "softplus and a power": (
            made.TransformedDistribution(
                made.Normal(x, b),
                [made.transforms.SoftplusTransform(), made.transforms.PowerTransform(t(2.0))],
            ),
            None,
            b,
        ),
    }


def outcome(ask, *args):
    """What a question gives, or None where a distribution has no answer."""
    try:
        return ask(*args)
    except NotImplementedError:
        return None


@pytest.mark.parametrize("name", pairs(torch))
def test_distribution(name):
    ours, our_other, our_value = pairs(plait)[name]
    theirs, their_other, their_value = pairs(torch)[name]
    questions = [
        lambda d, v: d.log_prob(v),
        lambda d, v: d.mean,
        lambda d, v: d.variance,
        lambda d, v: d.cdf(v),
        lambda d, v: d.icdf(0.2 + 0 * v),
        lambda d, v: d.entropy(),
        lambda d, v: d.expand((2, *d.batch_shape)).log_prob(v),
    ]
    answered = 0
    for ask in questions:
        mine = outcome(ask, ours, our_value)
        if mine is None:
            continue
        expected = ask(theirs, their_value)
        assert tuple(mine.shape) == tuple(expected.shape)
        # Special functions are our own: their error bounds, not the last bit. PyTorch's entropy of
        # a multinomial has its log-factorials in float32.
        rtol = 1e-7 if name == "Multinomial" else 1e-8
        np.testing.assert_allclose(
            mine.tolist(), expected.tolist(), rtol=rtol, atol=1e-12, equal_nan=True
        )
        answered += 1
    assert answered
    if our_other is not None:
        mine = plait.distributions.kl_divergence(ours, our_other)
        expected = torch.distributions.kl_divergence(theirs, their_other)
        np.testing.assert_allclose(mine.tolist(), expected.tolist(), rtol=1e-8)
    assert tuple(ours.sample((4, 2)).shape) == tuple(theirs.sample((4, 2)).shape)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(ours.event_shape) == tuple(theirs.event_shape)
    assert ours.has_rsample <= theirs.has_rsample


@pytest.mark.parametrize(
    "name",
    [n for n in pairs(torch) if n not in ("StudentT", "Chi2")],
)
def test_moments_of_draws(name):
    ours, _, _ = pairs(plait)[name]
    mean, variance = (outcome(getattr, ours, n) for n in ("mean", "variance"))
    if mean is None or variance is None:
        theirs, _, _ = pairs(torch)[name]
        torch.manual_seed(0)
        reference = theirs.sample((20000,))
        mean, variance = reference.mean(0), reference.var(0)
    mean, variance = np.asarray(mean.tolist()), np.asarray(variance.tolist())
    plait.manual_seed(3)
    drawn = np.asarray(ours.sample((20000,)).tolist())
    found = drawn.mean(0)
    # The mean of n draws is off by about sigma / sqrt(n): five of these, twice where both means
    # are of draws. Where there is no variance there is no such bound.
    slack = 10 * np.sqrt(variance / 20000) + 1e-12
    finite = np.isfinite(variance) & np.isfinite(mean)
    assert (np.abs(found - mean) <= slack)[finite].all()


@pytest.mark.parametrize(
    "name", [n for n, (d, _, _) in pairs(torch).items() if pairs(plait)[n][0].has_rsample]
)
def test_draws_carry_gradients(name):
    ours, _, _ = pairs(plait)[name]
    base = getattr(ours, "base_dist", ours)
    base = getattr(base, "base_dist", base)
    possible = ("loc", "scale", "probs", "_root", "concentration1", "concentration")
    named = [n for n in possible if isinstance(base.__dict__.get(n), plait.Tensor)]
    if name == "RelaxedOneHotCategorical":
        base, named = ours._categorical, ["probs"]
    parameter = base.__dict__[named[0]].clone().requires_grad_()
    base.__dict__[named[0]] = parameter
    ours.rsample((3,)).sum().backward()
    assert parameter.grad is not None
    assert bool(parameter.grad.isfinite().all())


def test_a_squashed_policy():
    """Soft actor-critic's policy: the same draws, log-probabilities and gradients."""
    results = []
    for framework in (torch, plait):
        framework.manual_seed(0)
        made = framework.distributions
        loc = framework.tensor([[0.1, -0.4], [1.0, 2.0]], requires_grad=True)
        scale = framework.tensor([[0.5, 0.6], [0.2, 0.9]], requires_grad=True)
        policy = made.TransformedDistribution(
            made.Normal(loc, scale), made.transforms.TanhTransform(cache_size=1)
        )
        action = policy.rsample()
        log_prob = policy.log_prob(action).sum(-1)
        (log_prob * framework.tensor([1.0, 2.0]) + action.sum(-1)).sum().backward()
        results.append((action, log_prob, loc.grad, scale.grad))
    for expected, mine in zip(*results):
        np.testing.assert_allclose(mine.tolist(), expected.tolist(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "ExpTransform",
        "SigmoidTransform",
        "TanhTransform",
        "SoftplusTransform",
        "SoftmaxTransform",
        "StickBreakingTransform",
        "AbsTransform",
    ],
)
def test_transform(name):
    results = []
    for framework in (torch, plait):
        x = framework.tensor([[0.3, 1.2], [0.1, 2.0]], dtype=framework.float64)
        transform = getattr(framework.distributions.transforms, name)()
        y = transform(x)
        found = [y, transform.inv(y)]
        if transform.bijective:
            found.append(transform.log_abs_det_jacobian(x, y))
            found.append(transform.inv.log_abs_det_jacobian(y, x))
        results.append(found)
        assert transform.inv.inv is transform
    for expected, mine in zip(*results):
        np.testing.assert_allclose(mine.tolist(), expected.tolist(), rtol=1e-9)


def test_the_cache_gives_the_very_input_back():
    transform = plait.distributions.transforms.TanhTransform(cache_size=1)
    x = plait.tensor([20.0])  # whose tanh is 1 in float32
    assert transform.inv(transform(x)) is x


@pytest.mark.parametrize("home, member", [
    ("normal", "Normal"), ("categorical", "Categorical"), ("bernoulli", "Bernoulli"),
    ("multivariate_normal", "MultivariateNormal"), ("studentT", "StudentT"),
    ("transformed_distribution", "TransformedDistribution"),
    ("relaxed_categorical", "RelaxedOneHotCategorical"),
])  # fmt: skip
def test_modules_of_single_distributions(home, member):
    module = importlib.import_module(f"plait.distributions.{home}")
    assert getattr(module, member) is getattr(plait.distributions, member)
    assert hasattr(importlib.import_module(f"torch.distributions.{home}"), member)


@pytest.mark.parametrize(
    "make",
    [
        lambda d, t: d.MultivariateNormal(t.zeros(2)),
        lambda d, t: d.MultivariateNormal(t.zeros(2), t.eye(2), t.eye(2)),
        lambda d, t: d.MultivariateNormal(t.zeros(2), t.tensor([[1.0, 2.0], [2.0, 1.0]])),
        lambda d, t: d.Poisson(t.tensor([-1.0])),
        lambda d, t: d.Binomial(3, t.tensor([0.5])).log_prob(t.tensor([4.0])),
        lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), 3),
        lambda d, t: d.MixtureSameFamily(d.Categorical(t.ones(3)), d.Normal(t.zeros(2), t.ones(2))),
        lambda d, t: d.utils.broadcast_all("a", 1),
    ],
)
def test_refused_arguments(make):
    for framework in (torch, plait):
        with pytest.raises(ValueError) as found:
            make(framework.distributions, framework)
        if framework is torch:
            expected = str(found.value)
    assert str(found.value)[:25] == expected[:25]


def test_helpers():
    for framework in (torch, plait):
        tools = framework.distributions.utils
        a, _ = tools.broadcast_all(1.5, framework.zeros(2))
        assert tuple(a.shape) == (2,)
        logits = tools.probs_to_logits(framework.tensor([0.2, 0.8]), is_binary=True)
        probs = tools.logits_to_probs(logits, is_binary=True)
        np.testing.assert_allclose(probs.tolist(), [0.2, 0.8], rtol=1e-6)

        class Once:
            made = 0

            @tools.lazy_property
            def value(self):
                self.made += 1
                return object()

        once = Once()
        assert once.value is once.value
        assert once.made == 1
