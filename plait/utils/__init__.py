"""Helpers beside the tensor: data loading, trees of containers, hook handles."""
