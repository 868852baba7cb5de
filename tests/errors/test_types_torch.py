"""The exceptions have the types that PyTorch raises for the same bad input."""

from __future__ import annotations

import pytest

from tests.errors import nn_cases, tensor_cases
from tests.errors.case import Case, raised_by

torch = pytest.importorskip("torch", reason="compares with the real PyTorch")

CASES = [
    pytest.param(case, id=f"{group}-{case.name}")
    for module in (tensor_cases, nn_cases)
    for group, cases in module.GROUPS.items()
    for case in cases
    if not case.parity
]


@pytest.mark.filterwarnings("ignore")  # PyTorch's own deprecation and initialisation warnings
@pytest.mark.parametrize("case", CASES)
def test_type_is_pytorchs(case: Case):
    assert isinstance(raised_by(case.act, torch), case.kind)
