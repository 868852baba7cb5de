"""Every piece of bad input gives the right exception, naming the op, what it got and the line."""

from __future__ import annotations

import pytest

import plait
from tests.errors import nn_cases, tensor_cases
from tests.errors.case import Case, assert_describes, raised_by

CASES = [
    pytest.param(case, module.__file__, id=f"{group}-{case.name}")
    for module in (tensor_cases, nn_cases)
    for group, cases in module.GROUPS.items()
    for case in cases
]


@pytest.mark.parametrize(("case", "file"), CASES)
def test_text_names_op_received_and_line(case: Case, file: str):
    assert_describes(raised_by(case.act, plait), case, file)
