"""Stochastic weight averaging: a running average of a model's weights and its learning rates.

Source: Izmailov et al., Averaging Weights Leads to Wider Optima (arXiv:1803.05407).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.optim.lr_scheduler import LRScheduler
from plait.optim.optimizer import Optimizer

if TYPE_CHECKING:
    # At run time it loads on first use: optimizers alone do not need modules.
    from plait.optim._averaged import AveragedModel

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def __getattr__(name: str) -> Any:
    if name == "AveragedModel":
        from plait.optim._averaged import AveragedModel

        return AveragedModel
    raise AttributeError(f"module 'torch.optim.swa_utils' has no attribute '{name}'")


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The exponential moving average as `avg_fn`. Raises ValueError for a decay outside [0, 1]."""
    _check_decay(decay)

    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The equal average as `avg_fn`."""

    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """The exponential moving average of a list of tensors, in place."""
    return _in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """The equal average of a list of tensors, in place."""
    return _in_place(get_swa_avg_fn())


def _in_place(average: Callable[..., Any]) -> Callable[..., None]:
    def update(averaged: Iterable[Any], current: Iterable[Any], num_averaged: Any) -> None:
        with grad_mode(False):
            for mean, value in zip(averaged, current):
                mean.copy_(average(mean, value, num_averaged))

    return update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise error(
            ValueError,
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.",
        )


def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Set the running statistics of batch norms to those of one pass over `loader`.

    Batches may be lists or tuples whose first element is the input.
    """
    from plait.nn.modules.batchnorm import _BatchNorm

    norms = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not norms:
        return
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
    with grad_mode(False):
        for batch in loader:
            inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(inputs)
    for norm, momentum in norms.items():
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneal each group's learning rate to `swa_lr` in `anneal_epochs`, then keep it.

    anneal_strategy: "cos" or "linear". Raises ValueError for another or a negative length.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else None
        if rates is not None and len(rates) != len(optimizer.param_groups):
            raise error(
                ValueError,
                f"swa_lr must have the same length as optimizer.param_groups: swa_lr has "
                f"{len(rates)}, optimizer.param_groups has {len(optimizer.param_groups)}",
            )
        for i, group in enumerate(optimizer.param_groups):
            group["swa_lr"] = swa_lr if rates is None else rates[i]
        if anneal_strategy not in ("cos", "linear"):
            raise error(
                ValueError,
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}",
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise error(
                ValueError, f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}"
            )
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, epoch: int) -> float:
        """How much of the way to `swa_lr` is done."""
        progress = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        if self._anneal_strategy == "linear":
            return progress
        return (1 - math.cos(math.pi * progress)) / 2

    def get_lr(self) -> list[Any]:
        """The rates of this epoch, from those of the last one."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(max(0, step - 1)), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            if before == 1:
                rates.append(group["swa_lr"] * now + group["lr"] * (1 - now))
                continue
            start = (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates
