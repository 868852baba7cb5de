"""The mistakes of `more_nn_cases` raise the type that is written there, at the user's line."""

from __future__ import annotations

import warnings

import pytest

import plait
from tests.errors import more_nn_cases
from tests.errors.case import raised_by

CASES = [
    pytest.param(act, kind, id=f"{group}-{name}")
    for group, cases in more_nn_cases.GROUPS.items()
    for name, (act, kind) in cases.items()
]


def test_there_are_a_hundred() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize(("act", "kind"), CASES)
def test_type(act, kind) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fault = raised_by(act, plait)
    assert isinstance(fault, kind), f"{type(fault).__name__}: {fault}"
    assert not isinstance(fault, NotImplementedError) or kind is NotImplementedError
