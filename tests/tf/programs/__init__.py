"""Programs for both TensorFlows: functions of the module `tf`, by subject."""

from __future__ import annotations

from tests.tf.programs import datasets, functions, pictures, pipelines, tables, tapes, variables
from tests.tf.programs.registry import PROGRAMS

__all__ = [
    "PROGRAMS", "datasets", "functions", "pictures", "pipelines", "tables", "tapes", "variables",
]  # fmt: skip
