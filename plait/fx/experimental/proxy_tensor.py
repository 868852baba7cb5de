"""Whether a tracer of `torch.fx` is at work: none is."""

__all__ = ["get_proxy_mode"]


def get_proxy_mode() -> None:
    """The tracer that is at work."""
