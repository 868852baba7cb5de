"""The mistakes of `more_nn_cases` raise what PyTorch raises, and tell no less of the input."""

from __future__ import annotations

import re

import pytest

import plait
from tests.errors import more_nn_cases
from tests.errors.case import raised_by

torch = pytest.importorskip("torch", reason="compares with PyTorch")

CASES = [
    pytest.param(act, kind, id=f"{group}-{name}")
    for group, cases in more_nn_cases.GROUPS.items()
    for name, (act, kind) in cases.items()
]
#: Numbers of PyTorch's text that are no part of the input.
ALIEN = {
    "module-linear text": {"2"},  # where in the size the text is
    "module-ctc lengths": {"0"},  # a default in the signature
    "autograd-gradcheck of wrong rule": {"0000", "64"},  # how its matrices are printed
}


@pytest.mark.filterwarnings("ignore")  # PyTorch's own deprecation and initialisation warnings
@pytest.mark.parametrize(("act", "kind"), CASES)
def test_type_and_numbers_are_pytorchs(act, kind, request: pytest.FixtureRequest) -> None:
    theirs, ours = raised_by(act, torch), raised_by(act, plait)
    assert isinstance(theirs, kind), f"{type(theirs).__name__}: {theirs}"
    told = set(re.findall(r"\d+", str(theirs))) - ALIEN.get(request.node.callspec.id, set())
    assert told <= set(re.findall(r"\d+", str(ours))), f"{ours}\nfor\n{theirs}"
