"""Programs of TensorFlow 1 give what TensorFlow gives, or the same kind of error."""

from __future__ import annotations

import os

import pytest

import plait.tf.compat.v1 as ours
from tests.tf.old_programs import PROGRAMS
from tests.tf.test_parity import assert_same, outcome

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
theirs = pytest.importorskip("tensorflow.compat.v1")


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    assert_same(outcome(PROGRAMS[name], ours), outcome(PROGRAMS[name], theirs))
