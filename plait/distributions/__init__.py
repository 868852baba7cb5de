"""Probability distributions: drawing, densities, entropies, divergences."""

from plait._unbuilt import unbuilt
from plait.distributions import constraints
from plait.distributions.continuous import (
    Exponential,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
)
from plait.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from plait.distributions.distribution import Distribution
from plait.distributions.gammas import Beta, Dirichlet, Gamma, _sample_dirichlet
from plait.distributions.independent import Independent
from plait.distributions.kl import kl_divergence, register_kl

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Independent",
    "Laplace",
    "LogNormal",
    "Normal",
    "OneHotCategorical",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
]

__getattr__ = unbuilt(
    "torch.distributions",
    (
        "Binomial",
        "Cauchy",
        "Chi2",
        "Geometric",
        "Gumbel",
        "HalfNormal",
        "Kumaraswamy",
        "LowRankMultivariateNormal",
        "MixtureSameFamily",
        "Multinomial",
        "MultivariateNormal",
        "NegativeBinomial",
        "Pareto",
        "Poisson",
        "RelaxedBernoulli",
        "RelaxedOneHotCategorical",
        "StudentT",
        "TransformedDistribution",
        "VonMises",
        "Weibull",
        "Wishart",
        "transforms",
    ),
)
