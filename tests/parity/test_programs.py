"""Small programs give what they give in PyTorch: values, dtypes, texts, kinds of errors."""

from __future__ import annotations

import pytest

from tests.parity.compare import Hunt
from tests.parity.programs import PROGRAMS

#: A few dozen steps in another order of sums, in float32 as a rule.
TOLERANCE = 1e-5


@pytest.mark.plain  # faults of values are among them, and draws that start from a seed
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    hunt = Hunt("programs", name)
    hunt.check("", PROGRAMS[name], tolerance=TOLERANCE)
    hunt.verdict()
