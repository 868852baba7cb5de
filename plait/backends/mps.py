"""Apple's Metal: not available."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False: asked about Metal only, which is not there."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False: asked about Metal only, which is not there."""
    return False
