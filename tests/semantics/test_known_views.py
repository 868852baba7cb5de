"""Views whose steps are known from an earlier call are the views that the function gives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import plait as torch
from plait.core.lazy import known_views

VIEWS: dict[str, Callable[[Any], Any]] = {
    "flatten": lambda x: x.flatten(1),
    "view": lambda x: x.view(2, 3, -1, 2),
    "reshape of a transpose": lambda x: x.transpose(0, 1).reshape(12, 2),  # a copy
    "transpose": lambda x: x.transpose(0, 2),
    "permute": lambda x: x.permute(2, 0, 1),
    "permute by a tuple": lambda x: x.permute((2, 0, 1)),
    "unsqueeze": lambda x: x.unsqueeze(-1).squeeze(-1),
    "select": lambda x: x.select(1, -1),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "an index": lambda x: x[1],
    "indices": lambda x: x[:, -1],
    "slices": lambda x: x[..., 1:3, None],
    "steps": lambda x: x[:, ::2][1],
    "all": lambda x: x[:],
    "of a view": lambda x: x[1].t()[2:],
}


def _looks(made: Any) -> tuple:
    return tuple(made.shape), made.stride(), made.storage_offset(), made.dtype, made.tolist()


@pytest.mark.parametrize("name", VIEWS)
def test_the_same_view(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For results, leaves, memory of NumPy's, and views, with gradients and without."""
    array = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    made: list[Any] = []
    for known in (False, True, True):
        if not known:
            monkeypatch.setattr(known_views, "_known", {})
        row: list[Any] = []
        for base in (
            torch.tensor(array),
            torch.tensor(array) + 0,
            torch.from_numpy(array.copy()),
            torch.tensor(array, requires_grad=True),
            torch.from_numpy(array.transpose(2, 1, 0).copy()).permute(2, 1, 0),
            torch.tensor(np.stack([array, array]))[1],
        ):
            view = VIEWS[name](base)
            row += [_looks(view), view.requires_grad]
            if view.requires_grad:
                (view * 2).sum().backward()
                row.append(base.grad.tolist())
                with torch.no_grad():
                    row.append(VIEWS[name](base).requires_grad)
            else:
                view.add_(1)
                row.append(base.tolist())  # written through, where it is a view
        made.append(row)
    assert made[0] == made[1] == made[2]


def test_arguments_of_other_kinds_are_not_taken_for_known_ones() -> None:
    x = torch.ones(2, 3)
    assert x.unsqueeze(1).shape == (2, 1, 3)
    assert x[1].shape == (3,)
    assert x[True].shape == (1, 2, 3)
    for wrong in (1.0, "a"):
        with pytest.raises((TypeError, IndexError)):
            x[wrong]
    with pytest.raises(IndexError):
        x[2]
    with pytest.raises(IndexError):
        x[2]


def test_calls_of_a_known_view(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(2, 3, 4) + 1

    def calls() -> int:
        made = 0

        def count(frame: Any, event: str, argument: Any) -> None:
            nonlocal made
            made += event == "call"

        x[:, -1]
        x.flatten(1)
        sys.setprofile(count)
        x[:, -1]
        x.flatten(1)
        sys.setprofile(None)
        return made

    assert calls() <= 24
    monkeypatch.setattr(known_views, "_MOST", 0)
    monkeypatch.setattr(known_views, "_known", {})
    assert calls() > 40
