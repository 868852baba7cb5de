"""The older name of `plait.hub.load_state_dict_from_url`."""

from plait.hub import load_state_dict_from_url

load_url = load_state_dict_from_url

__all__ = ["load_state_dict_from_url", "load_url"]
