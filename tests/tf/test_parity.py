"""Each case gives what TensorFlow gives: values, dtypes, shapes; or the same kind of error.

What TensorFlow gives is on file; where TensorFlow is installed it is asked as well.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

import plait.tf
import plait.tf.compat.v1
from tests.tf.outcomes import FILE, assert_same, every, outcome

PROGRAMS = every()
EXPECTED = json.loads(FILE.read_text("utf-8"))
OURS: dict[str, Any] = {"tensorflow": plait.tf, "tensorflow.compat.v1": plait.tf.compat.v1}


@pytest.mark.plain  # functions that count their runs, and errors of values, are among them
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_on_file(name: str) -> None:
    module, program = PROGRAMS[name]
    assert_same(outcome(program, OURS[module]), EXPECTED[name])


def test_file_is_complete() -> None:
    assert set(EXPECTED) == set(PROGRAMS)


@pytest.mark.plain  # as above
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_installed(name: str) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    module, program = PROGRAMS[name]
    theirs = pytest.importorskip(module, reason="compares with TensorFlow")
    assert_same(outcome(program, OURS[module]), outcome(program, theirs))
