"""OpenMP: not used."""


def is_available() -> bool:
    """False: threads are Plait's own."""
    return False
