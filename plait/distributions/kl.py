"""Kullback-Leibler divergences between pairs of distributions, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait._functions import pointwise as pw
from plait._functions.decompositions import triangular_solve
from plait._functions.special import digamma, lgamma
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.distributions.continuous import Exponential, Laplace, Normal, Uniform
from plait.distributions.counts import Binomial, Geometric, Poisson
from plait.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from plait.distributions.distribution import Distribution
from plait.distributions.gammas import Beta, Dirichlet, Gamma
from plait.distributions.independent import Independent
from plait.distributions.multivariate import MultivariateNormal
from plait.distributions.tails import Cauchy, Gumbel, HalfNormal
from plait.distributions.transformed import TransformedDistribution

__all__ = ["kl_divergence", "register_kl"]

#: The mean of a Gumbel variable of location 0 and scale 1.
_EULER = 0.5772156649015329

_RULES: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[..., Any]:
    """A decorator: use a function for the divergence of these types. TypeError for other types."""
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise error(TypeError, f"Expected a Distribution subclass but got {kind}")

    def decorate(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        _RULES[type_p, type_q] = function
        return function

    return decorate


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), per batch. Raises NotImplementedError for a pair without a rule."""
    for left in type(p).__mro__:
        for right in type(q).__mro__:
            rule = _RULES.get((left, right))
            if rule is not None:
                return rule(p, q)
    raise error(
        NotImplementedError,
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}",
    )


@register_kl(Normal, Normal)
def _normals(p: Normal, q: Normal) -> Any:
    ratio = pw.square(pw.div(p.scale, q.scale))
    shift = pw.square(pw.div(pw.sub(p.loc, q.loc), q.scale))
    return pw.mul(pw.sub(pw.sub(pw.add(ratio, shift), 1), pw.log(ratio)), 0.5)


@register_kl(Laplace, Laplace)
def _laplaces(p: Laplace, q: Laplace) -> Any:
    ratio = pw.div(p.scale, q.scale)
    gap = pw.abs(pw.sub(p.loc, q.loc))
    decayed = pw.mul(ratio, pw.exp(pw.neg(pw.div(gap, p.scale))))
    return pw.sub(pw.sub(pw.add(pw.div(gap, q.scale), decayed), 1), pw.log(ratio))


@register_kl(Exponential, Exponential)
def _exponentials(p: Exponential, q: Exponential) -> Any:
    ratio = pw.div(q.rate, p.rate)
    return pw.sub(pw.sub(ratio, pw.log(ratio)), 1)


@register_kl(Uniform, Uniform)
def _uniforms(p: Uniform, q: Uniform) -> Any:
    width = pw.div(pw.sub(q.high, q.low), pw.sub(p.high, p.low))
    outside = pw.logical_or(pw.gt(q.low, p.low), pw.lt(q.high, p.high))
    return pw.where(outside, math.inf, pw.log(width))


@register_kl(Bernoulli, Bernoulli)
def _bernoullis(p: Bernoulli, q: Bernoulli) -> Any:
    def information(chance: Any, log_p: Any, log_q: Any) -> Any:
        term = pw.mul(chance, pw.sub(log_p, log_q))
        return pw.where(pw.eq(chance, 0), 0.0, term)

    failure_p, failure_q = pw.sub(1, p.probs), pw.sub(1, q.probs)
    success = information(p.probs, pw.log(p.probs), pw.log(q.probs))
    return pw.add(success, information(failure_p, pw.log(failure_p), pw.log(failure_q)))


@register_kl(Binomial, Binomial)
def _binomials(p: Binomial, q: Binomial) -> Any:
    """Of equal counts that of each try, times their number; infinite where p has more tries."""
    if bool(pw.lt(p.total_count, q.total_count).any()):
        raise error(
            NotImplementedError,
            "KL between Binomials where q.total_count > p.total_count is not implemented",
        )
    tries = pw.mul(p.total_count, _bernoullis(p, q))
    return pw.where(pw.gt(p.total_count, q.total_count), math.inf, tries)


@register_kl(Gumbel, Gumbel)
def _gumbels(p: Gumbel, q: Gumbel) -> Any:
    """From E[x] and E[exp(-(x - m) / s)] of a Gumbel variable x."""
    ratio = pw.div(p.scale, q.scale)
    shift = pw.div(pw.sub(p.loc, q.loc), q.scale)
    mean = pw.sub(pw.add(shift, pw.mul(ratio, _EULER)), pw.log(ratio))
    decayed = pw.exp(pw.sub(lgamma(pw.add(ratio, 1)), shift))
    return pw.sub(pw.add(mean, decayed), 1 + _EULER)


@register_kl(Categorical, Categorical)
def _categoricals(p: Categorical, q: Categorical) -> Any:
    terms: Any = pw.mul(p.probs, pw.sub(p.logits, q.logits))
    terms = pw.where(pw.eq(q.probs, 0), math.inf, terms)
    return pw.where(pw.eq(p.probs, 0), 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hots(p: OneHotCategorical, q: OneHotCategorical) -> Any:
    return _categoricals(p._categorical, q._categorical)


@register_kl(Gamma, Gamma)
def _gammas(p: Gamma, q: Gamma) -> Any:
    rates = pw.mul(q.concentration, pw.log(pw.div(p.rate, q.rate)))
    norms = pw.sub(lgamma(q.concentration), lgamma(p.concentration))
    slope = pw.mul(pw.sub(p.concentration, q.concentration), digamma(p.concentration))
    last = pw.mul(pw.sub(q.rate, p.rate), pw.div(p.concentration, p.rate))
    return pw.add(pw.add(pw.add(rates, norms), slope), last)


@register_kl(Dirichlet, Dirichlet)
def _dirichlets(p: Dirichlet, q: Dirichlet) -> Any:
    a, b = p.concentration, q.concentration
    total_a, total_b = p._total(), q._total()
    inner: Any = pw.sub(lgamma(a), lgamma(b))
    slopes: Any = pw.mul(pw.sub(a, b), pw.sub(digamma(a), digamma(total_a)[..., None]))
    outer = pw.sub(lgamma(total_a), lgamma(total_b))
    return pw.add(pw.sub(outer, inner.sum(-1)), slopes.sum(-1))


@register_kl(Beta, Beta)
def _betas(p: Beta, q: Beta) -> Any:
    return _dirichlets(p._dirichlet, q._dirichlet)


@register_kl(Independent, Independent)
def _independents(p: Independent, q: Independent) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise error(
            NotImplementedError,
            "kl_divergence of Independent distributions with different numbers of event axes",
        )
    return p._folded(kl_divergence(p.base_dist, q.base_dist))


@register_kl(Poisson, Poisson)
def _poissons(p: Poisson, q: Poisson) -> Any:
    return pw.sub(pw.mul(p.rate, pw.log(pw.div(p.rate, q.rate))), pw.sub(p.rate, q.rate))


@register_kl(Geometric, Geometric)
def _geometrics(p: Geometric, q: Geometric) -> Any:
    failures = pw.div(pw.log1p(pw.neg(q.probs)), p.probs)
    return pw.sub(pw.sub(pw.neg(p.entropy()), failures), q.logits)


@register_kl(Cauchy, Cauchy)
def _cauchys(p: Cauchy, q: Cauchy) -> Any:
    both = pw.add(pw.square(pw.add(p.scale, q.scale)), pw.square(pw.sub(p.loc, q.loc)))
    return pw.sub(pw.log(both), pw.log(pw.mul(pw.mul(p.scale, q.scale), 4)))


@register_kl(HalfNormal, HalfNormal)
def _half_normals(p: HalfNormal, q: HalfNormal) -> Any:
    return _normals(p._both, q._both)


@register_kl(MultivariateNormal, MultivariateNormal)
def _vectors(p: MultivariateNormal, q: MultivariateNormal) -> Any:
    if p.event_shape != q.event_shape:
        raise error(
            ValueError,
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            f"computed: {tuple(p.event_shape)} and {tuple(q.event_shape)}",
        )
    size = p.event_shape[0]
    both: Any = triangular_solve(p._root, q._root, upper=False)[0]
    gap: Any = pw.sub(q.loc, p.loc)[..., None]
    moved: Any = triangular_solve(gap, q._root, upper=False)[0]
    trace: Any = pw.square(both).sum((-2, -1))
    length: Any = pw.square(moved).sum((-2, -1))
    roots = pw.sub(q._half_log_det(), p._half_log_det())
    return pw.add(roots, pw.mul(pw.sub(pw.add(trace, length), float(size)), 0.5))


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise error(
            NotImplementedError,
            "kl_divergence of TransformedDistributions with different transforms",
        )
    return kl_divergence(p.base_dist, q.base_dist)
