"""Forward-mode differentiation: not built yet; the names say so."""

from plait._unbuilt import unbuilt

__getattr__ = unbuilt(
    "torch.autograd.forward_ad",
    (
        "UnpackedDualTensor",
        "dual_level",
        "enter_dual_level",
        "exit_dual_level",
        "make_dual",
        "unpack_dual",
    ),
)
