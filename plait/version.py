"""The version of Plait, and of the PyTorch and torchvision whose interfaces the face follows."""

__version__ = "0.1.0"
TORCH_INTERFACE = "2.13.0"
VISION_INTERFACE = "0.28.0"
