"""Connectionist temporal classification: the loss of label sequences without an alignment.

Source: Graves et al., Connectionist Temporal Classification (ICML 2006), equations 6 and 7, in
logarithms. The recurrence over time is one `scan`, whose gradient is that of the forward variables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._autocast import full_precision
from plait._functions.creation import as_tensor, full, full_like, owned, zeros_like
from plait._functions.gathering import gather
from plait._functions.joining import cat
from plait._functions.pointwise import logaddexp, where
from plait._higher_order_ops.scan import scan
from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.nn.functional._arguments import require_reduction

#: Logarithm of the probability of what cannot be. Finite, so that differences of it are 0, not nan.
_NEVER = -1e30
#: Below it, a loss is that of labels that no path gives.
_IMPOSSIBLE = 1e29


@full_precision
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the logarithm of the probability of the targets, over all their alignments.

    log_probs: (T, N, C) or (T, C) logarithms of probabilities; targets: (N, S), or those of all
    samples joined; lengths: one per sample, in a tensor or tuple. "mean" divides each loss by its
    target's length before the mean over samples. Impossible targets give inf, or 0 with
    `zero_infinity`. Raises RuntimeError for lengths and labels that do not fit, TypeError for
    lengths of another kind.
    """
    require_reduction(reduction)
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if not isinstance(lengths, (Tensor, np.ndarray, tuple, list)):
            raise error(
                TypeError,
                f"ctc_loss(): argument '{name}' must be Tensor or tuple of ints, not "
                f"{type(lengths).__name__}",
            )
    if log_probs.ndim == 2:
        loss = ctc_loss(
            log_probs[:, None],
            targets.reshape(1, -1),
            _numbers(input_lengths),
            _numbers(target_lengths),
            blank,
            reduction,
            zero_infinity,
        )
        return loss.reshape(()) if reduction == "none" else loss
    steps, count, classes = _require_shape(log_probs, blank)
    times, sizes = _numbers(input_lengths), _numbers(target_lengths)
    _require_lengths(times, sizes, steps, count)
    labels = _padded(np.asarray(targets.detach().numpy(), np.int64), sizes, blank)
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise error(
            RuntimeError,
            f"ctc_loss: labels must be in [0, {classes}), received {labels.min()} to "
            f"{labels.max()}",
        )
    losses = _losses(log_probs, labels, times, sizes, blank)
    impossible = losses > _IMPOSSIBLE
    infinite = full_like(losses.detach(), 0.0 if zero_infinity else np.inf)
    losses = where(impossible, infinite, losses)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return (losses / as_tensor(np.maximum(sizes, 1).astype(losses.dtype.numpy))).mean()


def _losses(
    log_probs: Tensor, labels: np.ndarray, times: np.ndarray, sizes: np.ndarray, blank: int
) -> Tensor:
    """The loss of each sample; more than any other where there is no path."""
    count, longest = labels.shape
    extended = np.full((count, 2 * longest + 1), blank, np.int64)
    extended[:, 1::2] = labels
    # A path may leap over a blank, unless the labels beside it are the same.
    leaps = np.zeros(extended.shape, bool)
    leaps[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    kind = log_probs.dtype
    never = full((count, 1), _NEVER, dtype=kind)
    may_leap = owned(leaps)
    emitted = gather(log_probs, 2, owned(_repeated(extended, len(log_probs))))

    first = np.zeros(extended.shape, bool)
    first[:, :2] = True
    first[:, 1] = sizes > 0
    start = where(owned(first), emitted[0], full_like(emitted[0].detach(), _NEVER))

    def turn(state: Tensor, step: Any) -> tuple[Tensor, Tensor]:
        emission, goes_on = step
        once = cat([never, state[:, :-1]], 1)
        twice = cat([never, never, state[:, :-2]], 1) if state.shape[1] > 1 else once
        twice = where(may_leap, twice, zeros_like(twice) + _NEVER)
        reached = logaddexp(logaddexp(state, once), twice) + emission
        state = where(goes_on, reached, state)
        return state, state[:, :1].clone()

    if len(log_probs) > 1:
        running = np.arange(1, len(log_probs))[:, None, None] < times[None, :, None]
        places = np.ascontiguousarray(np.broadcast_to(running, (len(running), *extended.shape)))
        start = scan(turn, start, (emitted[1:], owned(places)))[0]
    last = owned((2 * sizes).reshape(-1, 1).astype(np.int64))
    before = owned(np.maximum(2 * sizes - 1, 0).reshape(-1, 1).astype(np.int64))
    at_last, at_before = gather(start, 1, last), gather(start, 1, before)
    has_label = owned((sizes > 0).reshape(-1, 1))
    both = where(has_label, logaddexp(at_last, at_before), at_last)
    # As in PyTorch, whose derivative takes log_probs for normalised, the probabilities are a term
    # of it; that of log_softmax takes them away again.
    valid = owned(np.arange(len(log_probs))[:, None, None] < times[None, :, None])
    mass = where(valid, log_probs.exp(), zeros_like(log_probs.detach())).sum((0, 2))
    return -both.reshape(count) + (mass - mass.detach())


def _repeated(array: np.ndarray, times: int) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(array, (times, *array.shape)))


def _numbers(lengths: Any) -> np.ndarray:
    if isinstance(lengths, Tensor):
        lengths = lengths.detach().numpy()
    return np.atleast_1d(np.asarray(lengths, np.int64))


def _require_shape(log_probs: Tensor, blank: int) -> tuple[int, int, int]:
    if log_probs.ndim != 3 or log_probs.dtype.kind != "f":
        raise error(
            RuntimeError,
            "ctc_loss: expected floating log_probs of shape (T, N, C) or (T, C), received "
            f"{log_probs.dtype}{list(log_probs.shape)}",
        )
    steps, count, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise error(RuntimeError, f"blank must be in label range: {blank} of {classes} classes")
    return steps, count, classes


def _require_lengths(times: np.ndarray, sizes: np.ndarray, steps: int, count: int) -> None:
    for name, given in (("input_lengths", times), ("target_lengths", sizes)):
        if given.shape != (count,):
            raise error(
                RuntimeError, f"{name} must be of size batch_size {count}, received {given.shape}"
            )
    if times.size and (times.max() > steps or times.min() < 1):
        raise error(
            RuntimeError,
            f"Expected input_lengths to have value at most {steps} and at least 1, but got "
            f"{times.tolist()}",
        )
    if sizes.size and sizes.min() < 0:
        raise error(RuntimeError, f"Expected target_lengths of at least 0, got {sizes.tolist()}")


def _padded(targets: np.ndarray, sizes: np.ndarray, blank: int) -> np.ndarray:
    """The labels (N, longest); what is beyond a target's length is `blank`."""
    longest = int(sizes.max()) if sizes.size else 0
    labels = np.full((len(sizes), longest), blank, np.int64)
    if targets.ndim == 1 and len(targets) < sizes.sum():
        raise error(
            RuntimeError,
            f"ctc_loss: {len(targets)} joined labels for targets of {int(sizes.sum())} in all",
        )
    if targets.ndim == 2 and (targets.shape[0] != len(sizes) or targets.shape[1] < longest):
        raise error(
            RuntimeError,
            f"ctc_loss: targets of shape {list(targets.shape)} for {len(sizes)} samples of up to "
            f"{longest} labels",
        )
    start = 0
    for row, size in enumerate(sizes):
        if targets.ndim == 1:
            labels[row, :size] = targets[start : start + size]
            start += int(size)
        else:
            labels[row, :size] = targets[row, :size]
    return labels
