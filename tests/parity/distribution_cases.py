"""Pairs of distributions of one kind, and a value of theirs."""

from __future__ import annotations

from typing import Any

import plait


def pairs(framework: Any) -> dict[str, tuple[Any, Any, Any]]:
    """name: (distribution, another of its kind or None, a value)."""
    made = framework.distributions

    def t(values: Any) -> Any:
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
        "InverseGamma": (made.InverseGamma(a + 2, b), None, b),
        "FisherSnedecor": (made.FisherSnedecor(a, b * 8), None, b),
        "StudentT": (made.StudentT(t([3.0, 4.5, 9.0]), a, b), None, x),
        "Cauchy": (made.Cauchy(a, b), made.Cauchy(b, a), x),
        "HalfNormal": (made.HalfNormal(b), made.HalfNormal(a), b),
        "Gumbel": (made.Gumbel(a, b), made.Gumbel(b, a), x),
        "Chi2": (made.Chi2(b), None, b),
        "Poisson": (made.Poisson(b), made.Poisson(a), t([0.0, 2.0, 5.0])),
        "Geometric": (made.Geometric(p), made.Geometric(p * 0.5), t([0.0, 2.0, 5.0])),
        "Binomial": (made.Binomial(6, p), made.Binomial(6, p * 0.5), t([0.0, 2.0, 5.0])),
        "NegativeBinomial": (made.NegativeBinomial(3.0, p), None, t([0.0, 2.0, 5.0])),
        "Multinomial": (made.Multinomial(4, probs), None, t([[1.0, 2.0, 1.0], [0.0, 0.0, 4.0]])),
        "MultivariateNormal": (
            made.MultivariateNormal(a, framework.diag(b)),
            made.MultivariateNormal(b, framework.diag(a)),
            x,
        ),
        "Independent": (
            made.Independent(made.Normal(a, b), 1),
            made.Independent(made.Normal(b, a), 1),
            x,
        ),
    }


NAMES = list(pairs(plait))


def made(framework: Any, name: str) -> tuple[Any, Any, Any]:
    """The pair of a name and its value."""
    return pairs(framework)[name]
