"""The fast path of multi-head attention: a flag without effect."""


class _Flag:
    enabled = True


def get_fastpath_enabled() -> bool:
    """What `set_fastpath_enabled` was given last."""
    return _Flag.enabled


def set_fastpath_enabled(value: bool) -> None:
    """Kept, without effect: there is one path."""
    _Flag.enabled = value
