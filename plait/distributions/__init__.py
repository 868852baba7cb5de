"""Probability distributions: drawing, densities, entropies, divergences."""

import sys as _sys
from types import ModuleType as _Module

from plait._unbuilt import unbuilt
from plait.distributions import constraints, transforms, utils
from plait.distributions.continuous import (
    Exponential,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
)
from plait.distributions.counts import (
    Binomial,
    Geometric,
    Multinomial,
    NegativeBinomial,
    Poisson,
)
from plait.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from plait.distributions.distribution import Distribution
from plait.distributions.gamma_ratios import FisherSnedecor, InverseGamma
from plait.distributions.gammas import Beta, Chi2, Dirichlet, Gamma
from plait.distributions.independent import Independent
from plait.distributions.kl import kl_divergence, register_kl
from plait.distributions.lkj import LKJCholesky
from plait.distributions.multivariate import MixtureSameFamily, MultivariateNormal
from plait.distributions.relaxed import (
    OneHotCategoricalStraightThrough,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from plait.distributions.tails import (
    Cauchy,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Kumaraswamy,
    Pareto,
    StudentT,
    Weibull,
)
from plait.distributions.transformed import LogisticNormal, TransformedDistribution
from plait.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    PowerTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)

#: PyTorch's modules of one or two distributions each, where programs import them from.
_HOMES = {
    "bernoulli": (Bernoulli,),
    "beta": (Beta,),
    "binomial": (Binomial,),
    "categorical": (Categorical,),
    "cauchy": (Cauchy,),
    "chi2": (Chi2,),
    "dirichlet": (Dirichlet,),
    "exponential": (Exponential,),
    "fishersnedecor": (FisherSnedecor,),
    "gamma": (Gamma,),
    "geometric": (Geometric,),
    "gumbel": (Gumbel,),
    "half_cauchy": (HalfCauchy,),
    "half_normal": (HalfNormal,),
    "inverse_gamma": (InverseGamma,),
    "kumaraswamy": (Kumaraswamy,),
    "laplace": (Laplace,),
    "lkj_cholesky": (LKJCholesky,),
    "log_normal": (LogNormal,),
    "logistic_normal": (LogisticNormal,),
    "mixture_same_family": (MixtureSameFamily,),
    "multinomial": (Multinomial,),
    "multivariate_normal": (MultivariateNormal,),
    "negative_binomial": (NegativeBinomial,),
    "normal": (Normal,),
    "one_hot_categorical": (OneHotCategorical, OneHotCategoricalStraightThrough),
    "pareto": (Pareto,),
    "poisson": (Poisson,),
    "relaxed_bernoulli": (RelaxedBernoulli,),
    "relaxed_categorical": (RelaxedOneHotCategorical,),
    "studentT": (StudentT,),
    "transformed_distribution": (TransformedDistribution,),
    "uniform": (Uniform,),
    "weibull": (Weibull,),
}


def _make_homes() -> None:
    for home, members in _HOMES.items():
        module = _Module(f"{__name__}.{home}", f"{members[0].__name__}: see plait.distributions.")
        module.__dict__.update({member.__name__: member for member in members})
        module.__dict__["__all__"] = [member.__name__ for member in members]
        _sys.modules[module.__name__] = module
        globals()[home] = module


_make_homes()

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "FisherSnedecor",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "Weibull",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transforms",
    "utils",
]

__getattr__ = unbuilt(
    "torch.distributions",
    (
        "CatTransform",
        "ContinuousBernoulli",
        "CorrCholeskyTransform",
        "CumulativeDistributionTransform",
        "ExponentialFamily",
        "FisherSnedecor",
        "GeneralizedPareto",
        "InverseGamma",
        "LowRankMultivariateNormal",
        "LowerCholeskyTransform",
        "PositiveDefiniteTransform",
        "ReshapeTransform",
        "StackTransform",
        "VonMises",
        "Wishart",
        "biject_to",
        "constraint_registry",
        "transform_to",
    ),
)
