"""Small programs whose every name is one that programs need: functions of the framework's module.

What they use is read from their source, by the same reader that `plait coverage` has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from plait.cli.coverage import names_of
from tests.parity.programs import layers, randomness, tensors, tools, training

Program = Callable[[Any], Any]

_MODULES = (tensors, randomness, layers, training, tools)

PROGRAMS: dict[str, Program] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": found
    for module in _MODULES
    for name, found in vars(module).items()
    if inspect.isfunction(found) and found.__module__ == module.__name__ and name[0] != "_"
}


def names() -> set[str]:
    """The names of PyTorch that the programs use."""
    return {
        name
        for module in _MODULES
        for name in names_of("import torch\n" + inspect.getsource(module), module.__name__)
    }
