"""Training of a table by its rows, for Plait and for PyTorch alike."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Name of a case: (optimizer, options).
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd maximize": ("SGD", {"lr": 0.1, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1}),
    "adam": ("SparseAdam", {"lr": 0.05}),
    "adam maximize": ("SparseAdam", {"lr": 0.05, "betas": (0.8, 0.9), "maximize": True}),
}

_PLACES = ([[1, 2], [1, 9]], [[5, 5], [5, 2]], [[9, 1], [2, 1]])


def table_of(library: Any, dtype: str = "float32") -> Any:
    """An embedding of ten rows of three, the same in each library."""
    values = np.random.default_rng(0).standard_normal((10, 3)).astype(dtype)
    weight = library.from_numpy(values)
    return library.nn.Embedding.from_pretrained(weight.clone(), freeze=False, sparse=True)


def trained(library: Any, rule: str, dtype: str) -> tuple[Any, np.ndarray]:
    """(the table after six steps, its values before)."""
    name, options = RULES[rule]
    table = table_of(library, dtype)
    before = table.weight.detach().numpy().copy()
    optimizer = getattr(library.optim, name)(table.parameters(), **options)
    for places in _PLACES * 2:
        optimizer.zero_grad()
        (table(library.tensor(places)) ** 2).sum().backward()
        optimizer.step()
    return table, before
