"""Every name that programs need is held to what it gives in PyTorch, or is an exception."""

from __future__ import annotations

from tests.parity.coverage import (
    EXCEPTIONS,
    exception,
    is_in_a_program,
    is_module,
    is_operator,
    needed,
)


def has_record(name: str) -> bool:
    return is_operator(name) or is_module(name) or is_in_a_program(name)


def test_every_name_has_a_record() -> None:
    names = needed()
    assert len(names) > 600
    missing = [name for name in names if not has_record(name) and exception(name) is None]
    assert not missing, f"no case of tests/parity uses these names: {missing}"


def test_no_exception_is_idle() -> None:
    bare = [name for name in needed() if not has_record(name)]
    idle = [start for start in EXCEPTIONS if not any(name.startswith(start) for name in bare)]
    assert not idle, f"nothing needs these exceptions: {idle}"
