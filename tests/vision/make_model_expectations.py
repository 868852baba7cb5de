"""Write `model_expectations.json`: what torchvision says of its models, for `test_models.py`.

Run where PyTorch and torchvision are installed: `python tests/vision/make_model_expectations.py`.
For each model: the number of parameters, a digest of the names and shapes of its state dict, and
for the small ones the first outputs of the model seeded with 0 on the images of `images`.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("model_expectations.json")
OUTPUTS = 5
# Models whose outputs are kept, and the side of the images they are given.
RUN = {
    "convnext_tiny": 32,
    "deeplabv3_mobilenet_v3_large": 32,
    "densenet121": 64,
    "efficientnet_b0": 32,
    "googlenet": 32,
    "lraspp_mobilenet_v3_large": 32,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_large": 32,
    "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnet50": 32,
    "shufflenet_v2_x1_0": 32,
    "squeezenet1_0": 64,
    "squeezenet1_1": 64,
}
SMALL_SIDE = 40
TOO_LARGE = ("regnet_y_128gf", "vit_h_14")
KINDS = (
    "fcos",
    "keypointrcnn",
    "mc3",
    "mvit",
    "quantized",
    "r2plus1d",
    "r3d",
    "raft",
    "s3d",
    "swin3d",
)
ON_A_BACKBONE = ("fcn", "deeplab", "lraspp", "fasterrcnn", "maskrcnn", "retinanet", "ssd")


def small_models(models) -> dict:
    """Models of unusual sizes, by name: `models` is torchvision's module or Plait's."""
    swin, vit = models.swin_transformer, models.vision_transformer
    sizes = {"patch_size": [4, 4], "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4]}
    second = {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2}
    stem = [vit.ConvStemConfig(8, 3, 2), vit.ConvStemConfig(16, 3, 2)]
    return {
        "swin": lambda: swin.SwinTransformer(**sizes, window_size=[3, 4]),
        "swin v2": lambda: swin.SwinTransformer(**sizes, **second, window_size=[4, 3]),
        "vit": lambda: vit.VisionTransformer(SMALL_SIDE, 10, 2, 2, 16, 32, representation_size=8),
        "vit, stem": lambda: vit.VisionTransformer(
            SMALL_SIDE, 4, 1, 2, 16, 32, conv_stem_configs=stem
        ),
    }


def outputs(model, batch) -> list[float]:
    """The first outputs in evaluation; of a ViT, whose last layer begins as zeros, what it gets."""
    model.eval()
    if hasattr(model, "heads"):
        del model.heads.head
    out = model(batch)
    out = out["out"] if isinstance(out, dict) else out
    return out.detach().flatten()[:OUTPUTS].tolist()


def options(name: str) -> dict[str, object]:
    """Arguments that keep a builder from downloading."""
    more = any(kind in name for kind in ON_A_BACKBONE)
    return {"weights": None, **({"weights_backbone": None} if more else {})}


def images(side: int) -> np.ndarray:
    """A batch of two, (2, 3, side, side) float32."""
    return np.random.default_rng(0).standard_normal((2, 3, side, side)).astype(np.float32)


def digest(state: dict) -> str:
    """SHA-256 of the names and shapes, in order."""
    lines = [f"{name} {tuple(value.shape)}\n" for name, value in state.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def main() -> None:
    import torch
    from torchvision import models

    warnings.simplefilter("ignore")
    found = {}
    for name in models.list_models():
        if name in TOO_LARGE or any(kind in name for kind in KINDS):
            continue
        torch.manual_seed(0)
        model = models.get_model(name, **options(name))
        entry = {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "state": digest(model.state_dict()),
        }
        side = RUN.get(name)
        if side is not None:
            entry["outputs"] = outputs(model, torch.from_numpy(images(side)))
        found[name] = entry
    for name, make in small_models(models).items():
        torch.manual_seed(0)
        found[name] = {"outputs": outputs(make(), torch.from_numpy(images(SMALL_SIDE)))}
    PATH.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
