"""`torch.ao.quantization`: nothing is built; each name raises NotImplementedError."""

from plait._unbuilt import unbuilt

__getattr__ = unbuilt(
    "torch.ao.quantization",
    (
        "DeQuantStub",
        "FakeQuantize",
        "MinMaxObserver",
        "MovingAverageMinMaxObserver",
        "QConfig",
        "QConfigMapping",
        "QuantStub",
        "QuantWrapper",
        "convert",
        "default_observer",
        "default_per_channel_weight_observer",
        "default_qconfig",
        "default_weight_observer",
        "fuse_modules",
        "fuse_modules_qat",
        "get_default_qat_qconfig",
        "get_default_qconfig",
        "get_default_qconfig_mapping",
        "prepare",
        "prepare_qat",
        "quantize",
        "quantize_dynamic",
        "quantize_fx",
    ),
)
