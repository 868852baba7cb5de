"""Schedules that rise and fall, with the momentum against the rate.

Sources: Smith, *Cyclical Learning Rates* (arXiv:1506.01186); Smith & Topin, *Super-Convergence*
(arXiv:1708.07120); Loshchilov & Hutter, *SGDR* (arXiv:1608.03983).
"""

import math
from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.optim.optimizer import Optimizer

from .base import LRScheduler, callable_state, check_optimizer, per_group, set_group_value


def _momentum_is_beta1(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is `betas[0]`; ValueError if it has none at all."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise error(
            ValueError,
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled",
        )
    return "betas" in optimizer.defaults


def _set_momentum(group: dict[str, Any], value: float, use_beta1: bool) -> None:
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _begin_momentum(
    optimizer: Optimizer, highest: list[float], lowest: list[float], use_beta1: bool
) -> None:
    for high, low, group in zip(highest, lowest, optimizer.param_groups):
        _set_momentum(group, high, use_beta1)
        group["max_momentum"] = high
        group["base_momentum"] = low


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the rate to `eta_min`, begun anew after `T_0`, `T_0 * T_mult`, ... epochs.

    `step` may be given a fraction of an epoch.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        verbose: Any = "deprecated",
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise error(ValueError, f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise error(ValueError, f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, float | int):
            raise error(
                ValueError,
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}",
            )
        self.T_0 = T_0
        self.T_i: Any = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: Any = last_epoch
        super().__init__(optimizer, last_epoch, verbose)

    def get_lr(self) -> list[Any]:
        """See the base."""
        self._warn_if_outside_step()
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to `epoch`, which may be a fraction; ValueError if negative."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._move_to(epoch)
        self.last_epoch = math.floor(epoch)
        with self._computing_lr():
            rates = self.get_lr()
        self._write_lr(rates)

    def _move_to(self, epoch: float) -> None:
        if epoch < 0:
            raise error(ValueError, f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:  # restarts lie at T_0 * (T_mult**n - 1) / (T_mult - 1)
            ratio = self.T_mult
            restarts = int(math.log(epoch / self.T_0 * (ratio - 1) + 1, ratio))
            self.T_cur = epoch - self.T_0 * (ratio**restarts - 1) / (ratio - 1)
            self.T_i = self.T_0 * ratio**restarts


# What each mode of CyclicLR scales the height by, and what it is a function of.
_CYCLIC_MODES: dict[str, tuple[Callable[[float, float], float], str]] = {
    "triangular": (lambda gamma, x: 1.0, "cycle"),
    "triangular2": (lambda gamma, x: 1 / (2.0 ** (x - 1)), "cycle"),
    "exp_range": (lambda gamma, x: gamma**x, "iterations"),
}


class CyclicLR(LRScheduler):
    """Straight lines between `base_lr` and `max_lr`, up in `step_size_up` steps and down again.

    Mode `triangular2` halves the height each cycle, `exp_range` multiplies it by `gamma` each step;
    `scale_fn` with `scale_mode` (`cycle` or `iterations`) takes the place of both. With
    `cycle_momentum` the momentum (or `betas[0]`) runs the other way.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
        verbose: Any = "deprecated",
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for rate, group in zip(base_lrs, optimizer.param_groups):
                set_group_value(group, "lr", rate)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)

        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size

        if mode not in _CYCLIC_MODES and scale_fn is None:
            raise error(ValueError, "mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else _CYCLIC_MODES[mode][1]

        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _momentum_is_beta1(optimizer)
            self.base_momentums = per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                _begin_momentum(optimizer, self.max_momentums, self.base_momentums, self.use_beta1)
        super().__init__(optimizer, last_epoch, verbose)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The factor of the height in cycle or step `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return _CYCLIC_MODES[self.mode][0](self.gamma, x)

    def get_lr(self) -> list[Any]:
        """See the base; also writes the momentum."""
        self._warn_if_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        if x <= self.step_ratio:
            height = x / self.step_ratio
        else:
            height = (x - 1) / (self.step_ratio - 1)
        at = cycle if self.scale_mode == "cycle" else self.last_epoch

        rates = [
            base + (top - base) * height * self.scale_fn(at)
            for base, top in zip(self.base_lrs, self.max_lrs)
        ]
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums)
            for group, (base, top) in zip(self.optimizer.param_groups, bounds):
                momentum = top - (top - base) * height * self.scale_fn(at)
                _set_momentum(group, momentum, self.use_beta1)
        return rates

    def state_dict(self) -> dict[str, Any]:
        """As the base's; of the user's `scale_fn` only an object's attributes."""
        state = super().state_dict()
        custom = state["_scale_fn_custom"]
        state["_scale_fn_custom"] = None if custom is None else callable_state(custom)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; this schedule's own `scale_fn` stays."""
        saved = state_dict["_scale_fn_custom"]
        super().load_state_dict(
            {key: value for key, value in state_dict.items() if key != "_scale_fn_custom"}
        )
        if saved is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(saved)


def _one_cycle_phases(total_steps: int, pct_start: float, three_phase: bool) -> list[dict]:
    """(end step, start and end of the rate, start and end of the momentum) of each phase.

    Rates and momenta are named by the option of the parameter group that holds them.
    """
    keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    up_end = float(pct_start * total_steps) - 1
    rows: list[tuple] = [(up_end, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
    if three_phase:
        down_end = float(2 * pct_start * total_steps) - 2
        rows += [
            (down_end, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
    else:
        rows += [(total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    return [dict(zip(keys, row)) for row in rows]


def _one_cycle_length(
    total_steps: int | None, epochs: int | None, steps_per_epoch: int | None
) -> int:
    if total_steps is not None:
        given = {"total_steps": total_steps}
    elif epochs is not None and steps_per_epoch is not None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    else:
        raise error(
            ValueError, "You must define either total_steps OR (epochs AND steps_per_epoch)"
        )
    for name, value in given.items():
        if value <= 0 or not isinstance(value, int):
            raise error(ValueError, f"Expected positive integer {name}, but got {value}")
    return math.prod(given.values())


def _annealing_cos(start: float, end: float, pct: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * pct) + 1)


def _annealing_linear(start: float, end: float, pct: float) -> float:
    return (end - start) * pct + start


_ANNEAL = {"cos": _annealing_cos, "linear": _annealing_linear}


class OneCycleLR(LRScheduler):
    """One rise from `max_lr / div_factor` to `max_lr` and one fall far below the beginning.

    The length is `total_steps`, or `epochs * steps_per_epoch`; the rise takes `pct_start` of it.
    The fall ends at the first rate over `final_div_factor`. Stepping past the end raises
    ValueError.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
        verbose: Any = "deprecated",
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _one_cycle_length(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _one_cycle_phases(self.total_steps, pct_start, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise error(
                ValueError, f"Expected float between 0 and 1 pct_start, but got {pct_start}"
            )
        if anneal_strategy not in _ANNEAL:
            raise error(
                ValueError,
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}",
            )
        self._anneal_func_type = anneal_strategy

        max_lrs = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for top, group in zip(max_lrs, optimizer.param_groups):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor

        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _momentum_is_beta1(optimizer)
            highest = per_group("max_momentum", optimizer, max_momentum)
            lowest = per_group("base_momentum", optimizer, base_momentum)
            if last_epoch == -1:
                _begin_momentum(optimizer, highest, lowest, self.use_beta1)
        super().__init__(optimizer, last_epoch, verbose)

    def get_lr(self) -> list[Any]:
        """See the base; also writes the momentum."""
        self._warn_if_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise error(
                ValueError,
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}",
            )
        anneal = _ANNEAL[self._anneal_func_type]
        phase, pct = self._phase_of(step)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], pct))
            if self.cycle_momentum:
                start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, anneal(start, end, pct), self.use_beta1)
        return rates

    def _phase_of(self, step: int) -> tuple[dict[str, Any], float]:
        """The phase that `step` lies in, and the part of it that has passed."""
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        return phase, (step - start) / (phase["end_step"] - start)
