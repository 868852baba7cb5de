"""The adaptive softmax: few frequent classes in a head, the many rare ones in small clusters.

Grave, Joulin, Cisse, Grangier, Jegou, *Efficient softmax approximation for GPUs* (2017).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from plait import Tensor
from plait._functions.creation import zeros
from plait._functions.joining import cat
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn.modules.container import ModuleList, Sequential
from plait.nn.modules.linear import Linear
from plait.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])  # PyTorch's type


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of classes that are sorted by frequency, and their negative mean.

    Args:
        in_features: extent of the inputs' last axis.
        n_classes: how many classes there are.
        cutoffs: the classes at which clusters begin; those below the first are in the head.
        div_value: the i-th cluster works with in_features / div_value^(i+1) features.
        head_bias: whether the head has a bias.

    Raises ValueError for cutoffs that are not increasing integers between 1 and n_classes - 1.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        bounds = list(cutoffs)
        if not bounds:
            raise error(ValueError, "cutoffs should be a sequence of length larger than 0")
        if (
            bounds != sorted(set(bounds))
            or bounds[0] <= 0
            or bounds[-1] > n_classes - 1
            or any(int(bound) != bound for bound in bounds)
        ):
            raise error(
                ValueError,
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                f"increasing order, where each value is between 1 and n_classes-1; got {bounds} "
                f"for {n_classes} classes",
            )
        made = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*bounds, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            first = Linear(in_features, hidden, bias=False, **made)
            self.tail.append(Sequential(first, Linear(hidden, size, bias=False, **made)))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster:
                layer.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> Any:
        """(log-probabilities of the targets, the negative of their mean).

        input_: (N, in_features) or (in_features); target_: (N) or ().
        """
        self._check(input_, target_)
        batched = target_.ndim > 0
        x = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        self._check_targets(target)
        head = F.log_softmax(self.head(x), dim=1)
        output: Any = zeros(len(target), dtype=head.dtype)
        low = 0
        for i, high in enumerate(self.cutoffs):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel():
                chosen = target.index_select(0, rows)
                if i == 0:
                    found = head.index_select(0, rows).gather(1, chosen.unsqueeze(1)).squeeze(1)
                else:
                    inner = F.log_softmax(self.tail[i - 1](x.index_select(0, rows)), dim=1)
                    inside = inner.gather(1, (chosen - low).unsqueeze(1)).squeeze(1)
                    found = head[:, self.shortlist_size + i - 1].index_select(0, rows) + inside
                output = output.index_copy(0, rows, found)
            low = high
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(), loss)

    def log_prob(self, input: Any) -> Any:
        """(N, n_classes) log-probabilities of all classes for (N, in_features)."""
        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            whole = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(cluster(input), dim=1) + whole)
        return cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """(N) the likeliest classes for (N, in_features)."""
        return self.log_prob(input).argmax(dim=1)

    def _check(self, input: Tensor, target: Tensor) -> None:
        """Raise RuntimeError for shapes that do not go together."""
        if target.ndim == 1:
            if input.shape[0] != target.shape[0]:
                raise error(
                    RuntimeError,
                    "Input and target should have the same size in the batch dimension.",
                )
            if input.ndim != 2:
                raise error(
                    RuntimeError,
                    "1D target tensor expects 2D input tensors, but found inputs with size "
                    f"{input.shape}",
                )
        elif target.ndim == 0:
            if input.ndim != 1:
                raise error(
                    RuntimeError,
                    "0D target tensor expects 1D input tensors, but found inputs with size "
                    f"{input.shape}",
                )
        else:
            raise error(RuntimeError, "0D or 1D target tensor expected, multi-target not supported")

    def _check_targets(self, target: Any) -> None:
        """Raise RuntimeError for targets that are no classes."""
        if not target.numel():
            return
        least, most = target.min().item(), target.max().item()
        if least < 0 or most >= self.n_classes:
            raise error(
                RuntimeError,
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{least}, {most}] were found. ",
            )
