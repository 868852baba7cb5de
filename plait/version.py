"""The version of Plait, and those of PyTorch and the others whose interfaces are followed.

Scripts print `torch.version.cuda` and its like: None says that the build has no such devices.
"""

__version__ = "0.1.0"
TORCH_INTERFACE = "2.13.0"
VISION_INTERFACE = "0.28.0"
AUDIO_INTERFACE = "2.11.0"
TENSORFLOW_INTERFACE = "2.21.0"

cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
git_version: str | None = None
debug = False
