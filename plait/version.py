"""The version of Plait, and of the PyTorch whose interface the face follows."""

__version__ = "0.1.0"
TORCH_INTERFACE = "2.13.0"
