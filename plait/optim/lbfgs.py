"""L-BFGS: a quasi-Newton method with a limited memory of past steps.

Source: Liu & Nocedal, On the limited memory BFGS method for large scale optimization (1989); the
line search after Nocedal & Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.lazy.modes import grad_mode
from plait.optim._apply import check_lr
from plait.optim._line_search import strong_wolfe
from plait.optim.optimizer import Optimizer, ParamsT

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS over all parameters as one vector; `step` needs a closure.

    line_search_fn: None (steps of length `lr`) or "strong_wolfe". Raises ValueError for more than
    one parameter group or a negative learning rate.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise error(
                ValueError, "LBFGS doesn't support per-parameter options (parameter groups)"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` iterations; gives the loss of the first evaluation.

        Raises TypeError without a closure, RuntimeError for an unknown line search.
        """
        if closure is None:
            raise error(TypeError, "LBFGS.step() missing 1 required positional argument: 'closure'")
        search = self.param_groups[0]["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise error(RuntimeError, "only 'strong_wolfe' is supported")
        with grad_mode(False):
            return _Run(self, closure).minimize()

    def _compute_step(self) -> None:
        """Nothing waits: every iteration has read its loss."""


_REMEMBERED = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class _Run:
    """One call of `step`: the iterations, with what they carry from one call to the next."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        self.closure = closure
        self.options = optimizer.param_groups[0]
        self.params: list[Tensor] = self.options["params"]
        self.lr = float(self.options["lr"])
        self.state = optimizer.state[self.params[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)
        # What is remembered of earlier steps, and is put into the state at the end.
        self.memory = {name: self.state.get(name) for name in _REMEMBERED}

    def minimize(self) -> Any:
        state, options = self.state, self.options
        first_loss = self.evaluate_closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        grad = self.gradient()
        if largest(grad) <= options["tolerance_grad"]:
            return first_loss
        memory = self.memory
        direction, length = memory["d"], memory["t"]
        for iteration in range(1, options["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self.next_direction(direction, length, grad)
            memory["prev_flat_grad"] = grad.clone()
            memory["prev_loss"] = loss
            length = self.lr
            if state["n_iter"] == 1:
                length = min(1.0, 1.0 / float(grad.abs().sum())) * self.lr
            slope = float(grad.dot(direction))
            if slope > -options["tolerance_change"]:
                break
            before = loss
            loss, grad, length, count = self.move(iteration, direction, length, loss, grad, slope)
            evaluations += count
            state["func_evals"] += count
            if self.finished(iteration, evaluations, grad, direction, length, loss - before):
                break
        memory["d"], memory["t"] = direction, length
        state.update(memory)
        return first_loss

    def finished(
        self,
        iteration: int,
        evaluations: int,
        grad: Tensor,
        direction: Tensor,
        length: float,
        change: float,
    ) -> bool:
        options = self.options
        return (
            iteration == options["max_iter"]
            or evaluations >= options["max_eval"]
            or largest(grad) <= options["tolerance_grad"]
            or largest(direction * length) <= options["tolerance_change"]
            or abs(change) < options["tolerance_change"]
        )

    def next_direction(self, direction: Any, length: Any, grad: Tensor) -> Tensor:
        """The quasi-Newton direction, after the last step has entered the memory."""
        state, memory = self.state, self.memory
        if state["n_iter"] == 1:
            memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -grad
        turned = grad - memory["prev_flat_grad"]
        moved = direction * length
        curvature = turned.dot(moved)
        dirs, steps, weights = memory["old_dirs"], memory["old_stps"], memory["ro"]
        if curvature > 1e-10:
            if len(dirs) == self.options["history_size"]:
                for kept in (dirs, steps, weights):
                    kept.pop(0)
            dirs.append(turned)
            steps.append(moved)
            weights.append(1.0 / curvature)
            memory["H_diag"] = curvature / turned.dot(turned)
        # The two-loop recursion: multiply by the approximate inverse Hessian.
        result = -grad
        shares = state.setdefault("al", [None] * self.options["history_size"])
        for i in reversed(range(len(dirs))):
            shares[i] = steps[i].dot(result) * weights[i]
            result = result - dirs[i] * shares[i]
        result = result * memory["H_diag"]
        for i in range(len(dirs)):
            share = dirs[i].dot(result) * weights[i]
            result = result + steps[i] * (shares[i] - share)
        return result

    def move(
        self,
        iteration: int,
        direction: Tensor,
        length: float,
        loss: float,
        grad: Tensor,
        slope: float,
    ) -> tuple[float, Tensor, float, int]:
        """(loss, gradient, length, evaluations) after a step along the direction."""
        if self.options["line_search_fn"] is None:
            self.add(direction, length)
            if iteration == self.options["max_iter"]:
                return loss, grad, length, 0
            return float(self.evaluate_closure()), self.gradient(), length, 1
        start = [param.clone() for param in self.params]

        def evaluate(distance: float) -> tuple[float, Tensor]:
            self.add(direction, distance)
            value, slope_there = float(self.evaluate_closure()), self.gradient()
            for param, value_before in zip(self.params, start):
                param.copy_(value_before)
            return value, slope_there

        loss, grad, length, count = strong_wolfe(
            evaluate, length, largest(direction), direction, loss, grad, slope
        )
        self.add(direction, length)
        return loss, grad, length, count

    def evaluate_closure(self) -> Any:
        with grad_mode(True):
            return self.closure()

    def gradient(self) -> Tensor:
        """The gradients of all parameters as one vector; zeros where there is none."""
        from plait._functions.creation import zeros
        from plait._functions.joining import cat

        return cat(
            [
                zeros(p.numel(), dtype=p.dtype) if p.grad is None else p.grad.reshape(-1)
                for p in self.params
            ]
        )

    def add(self, direction: Tensor, length: float) -> None:
        """Move all parameters along a direction."""
        first = 0
        for param in self.params:
            part = direction[first : first + param.numel()]
            param.add_(part.reshape(param.shape), alpha=length)
            first += param.numel()


def largest(vector: Tensor) -> float:
    """The largest magnitude."""
    return float(vector.abs().max())
