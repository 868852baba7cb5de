"""Methods of tensors whose families are loaded when one is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import plait as torch
from plait._functions.families import load_late
from plait._late import LATE_METHODS, _Late
from plait._unbuilt import TENSOR_METHODS, NotBuilt

_FIRST_USE = """
import sys
import numpy as np
import plait
x = plait.tensor([1.0])
np.asarray(x)
for name in ("nothing", "__array_struct__", "_x"):
    assert not hasattr(x, name)
assert not hasattr(plait.Tensor, "nothing")
assert "plait._functions.special" not in sys.modules
assert round(x.erf().item(), 4) == 0.8427
assert "plait._functions.special" in sys.modules
assert callable(plait.Tensor.cumsum)
"""


def test_the_list_is_what_the_families_bring() -> None:
    load_late()
    left = [name for name in LATE_METHODS if type(vars(torch.Tensor)[name]) is _Late]
    assert not left
    code = (
        "import plait; from plait._late import LATE_METHODS as known\n"
        "from plait._functions.families import load_late\n"
        "before = set(dir(plait.Tensor)); load_late()\n"
        "assert set(dir(plait.Tensor)) == before, set(dir(plait.Tensor)) - before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_a_late_name_loads_them() -> None:
    subprocess.run([sys.executable, "-c", _FIRST_USE], check=True)


@pytest.mark.parametrize("name", sorted(TENSOR_METHODS))
def test_what_is_not_built_says_so(name: str) -> None:
    assert not hasattr(torch.ones(1), name)
    with pytest.raises(NotBuilt, match=f"Tensor.{name} is not built in Plait yet"):
        getattr(torch.ones(1), name)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nothing'"):
        torch.ones(1).nothing  # noqa: B018 - the look-up is what is tested
