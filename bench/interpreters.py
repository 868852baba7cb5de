"""Which Python runs which framework: `--python tf=venv/bin/python`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping


def parse_interpreters(texts: Iterable[str]) -> dict[str, str]:
    """NAME=PATH, each, as a mapping; exits with a message where one is something else."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, path in pairs:
        if not (name and equals and path):
            sys.exit(f"--python {name}{equals}{path}: expected NAME=PATH")
    return {name: path for name, _, path in pairs}


def interpreter(pythons: Mapping[str, str], framework: str) -> str:
    """That of a framework ("torch_compile"), else of its kind ("torch"), else this one."""
    kind = framework.partition("_")[0]
    return pythons.get(framework) or pythons.get(kind) or sys.executable
