"""Calls of transforms whose results are compared with torchvision's, for the tests beside it.

Run as a script where PyTorch and torchvision are installed, this writes what they give to
`transform_expectations.json`: of each result the shape, the sum, and a sum by position.
"""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).with_name("transform_expectations.json")
HEIGHT, WIDTH = 24, 31
SEEDS = (0, 1, 2)
FROM, TO = [[0, 0], [30, 0], [30, 23], [0, 23]], [[3, 2], [28, 4], [25, 20], [1, 22]]


def pixels() -> dict[str, np.ndarray]:
    """Pictures as bytes: noise and a smooth one in colour, noise in grey."""
    rng = np.random.default_rng(2)
    slope = np.linspace(30, 200, HEIGHT)[:, None, None]
    across = np.linspace(0, 40, WIDTH)[None, :, None] * np.array([1, 0.5, -0.4])
    return {
        "noise": rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8),
        "smooth": (slope + across).astype(np.uint8),
        "grey": rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8),
    }


def images(torch: Any, F: Any) -> dict[str, Any]:
    """Each picture as a Pillow image, as bytes in a tensor, as floats in a tensor."""
    from PIL import Image

    found = {}
    for name, array in pixels().items():
        picture = Image.fromarray(array)
        tensor = F.pil_to_tensor(picture)
        found[f"{name}, picture"] = picture
        found[f"{name}, bytes"] = tensor
        found[f"{name}, floats"] = F.convert_image_dtype(tensor, torch.float32)
    return found


def functions(torch: Any, F: Any) -> dict[str, Any]:
    """Functions without randomness, by name."""
    bilinear, nearest = F.InterpolationMode.BILINEAR, F.InterpolationMode.NEAREST
    moves = np.random.default_rng(5).standard_normal((1, HEIGHT, WIDTH, 2)).astype(np.float32)
    field = torch.from_numpy(moves * 0.05)

    def threshold(x: Any) -> float:
        return 0.5 if isinstance(x, torch.Tensor) and x.is_floating_point() else 120

    return {
        "brightness": lambda x: F.adjust_brightness(x, 1.4),
        "contrast": lambda x: F.adjust_contrast(x, 1.7),
        "less contrast": lambda x: F.adjust_contrast(x, 0.2),
        "saturation": lambda x: F.adjust_saturation(x, 1.8),
        "hue": lambda x: F.adjust_hue(x, 0.2),
        "hue back": lambda x: F.adjust_hue(x, -0.37),
        "gamma": lambda x: F.adjust_gamma(x, 0.7, 1.2),
        "sharpness": lambda x: F.adjust_sharpness(x, 2.0),
        "autocontrast": F.autocontrast,
        "equalize": F.equalize,
        "posterize": lambda x: F.posterize(x, 3),
        "solarize": lambda x: F.solarize(x, threshold(x)),
        "invert": F.invert,
        "blur": lambda x: F.gaussian_blur(x, (3, 7), (1.0, 2.5)),
        "blur, default": lambda x: F.gaussian_blur(x, 5),
        "affine": lambda x: F.affine(x, 30, [2, -3], 1.2, [10.0, 5.0]),
        "affine, centre": lambda x: F.affine(x, 30, [2, -3], 1.2, [0.0, 5.0], center=[5, 6]),
        "affine, fill": lambda x: F.affine(x, -70, [0, 4], 0.7, 15.0, bilinear, 60.0),
        "perspective": lambda x: F.perspective(x, FROM, TO),
        "perspective, fill": lambda x: F.perspective(x, FROM, TO, nearest, [9.0]),
        "elastic": lambda x: F.elastic_transform(x, field),
        "rotate, fill": lambda x: F.rotate(x, 33.0, bilinear, fill=50.0),
        "five crops": lambda x: F.five_crop(x, (9, 11)),
        "ten crops": lambda x: F.ten_crop(x, 8, True),
        "erase": lambda x: F.erase(x, 2, 3, 5, 6, torch.tensor(7)),
    }


def transforms(T: Any) -> dict[str, Any]:
    """Random transforms, by name."""
    return {
        "ColorJitter": T.ColorJitter(0.4, 0.5, (0.2, 1.5), 0.3),
        "ColorJitter, hue": T.ColorJitter(hue=0.1),
        "RandomGrayscale": T.RandomGrayscale(0.5),
        "RandomInvert": T.RandomInvert(),
        "RandomAutocontrast": T.RandomAutocontrast(),
        "RandomEqualize": T.RandomEqualize(),
        "RandomPosterize": T.RandomPosterize(3),
        "RandomSolarize": T.RandomSolarize(0.5),
        "RandomAdjustSharpness": T.RandomAdjustSharpness(2.0),
        "GaussianBlur": T.GaussianBlur(5),
        "RandomAffine": T.RandomAffine(30, (0.1, 0.2), (0.8, 1.2), (-5, 5, -3, 3)),
        "RandomAffine, fill": T.RandomAffine((10, 20), shear=4, fill=3),
        "RandomPerspective": T.RandomPerspective(0.6, 0.9),
        "ElasticTransform": T.ElasticTransform(30.0, 2.0),
        "RandomApply": T.RandomApply([T.GaussianBlur(3)], 0.5),
        "RandomOrder": T.RandomOrder(
            [T.RandomHorizontalFlip(1.0), T.CenterCrop(12), T.RandomCrop(9)]
        ),
        "RandomChoice": T.RandomChoice([T.CenterCrop(12), T.RandomCrop(12)]),
        "FiveCrop": T.FiveCrop(8),
        "TenCrop": T.TenCrop(8),
        "RandomErasing": T.RandomErasing(0.9),
        "RandomErasing, noise": T.RandomErasing(1.0, value="random"),
        "RandomErasing, colour": T.RandomErasing(1.0, value=(0.1, 0.2, 0.3)),
        "RandomRotation": T.RandomRotation(40),
        "RandAugment": T.RandAugment(),
        "TrivialAugmentWide": T.TrivialAugmentWide(),
        **{f"AutoAugment, {p.value}": T.AutoAugment(p) for p in T.AutoAugmentPolicy},
    }


def seeded(torch: Any, transform: Any, image: Any) -> list[Any]:
    """The results for each seed."""
    results = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        random.seed(seed)
        results.append(transform(image))
    return results


def measures(torch: Any, result: Any) -> list[Any]:
    """Shape, sum, and sum by position, of each image in the result."""
    if isinstance(result, (tuple, list)):
        return [measure for item in result for measure in measures(torch, item)]
    array = result.numpy() if isinstance(result, torch.Tensor) else np.asarray(result)
    flat = array.astype(np.float64).ravel()
    by_position = float((flat * (np.arange(flat.size) % 97)).sum()) / 48
    return [[list(array.shape), round(float(flat.sum()), 4), round(by_position, 4)]]


def main() -> None:
    import torch
    import torchvision.transforms as T
    from torchvision.transforms import functional as F

    warnings.simplefilter("ignore")
    found: dict[str, dict[str, Any]] = {}
    for name, function in functions(torch, F).items():
        found[name] = {}
        for kind, image in images(torch, F).items():
            try:
                found[name][kind] = measures(torch, function(image))
            except (TypeError, ValueError, RuntimeError) as fault:
                found[name][kind] = type(fault).__name__
    for name, transform in transforms(T).items():
        found[name] = {"repr": repr(transform)}
        for kind, image in images(torch, F).items():
            try:
                found[name][kind] = measures(torch, seeded(torch, transform, image))
            except (AttributeError, TypeError, ValueError, RuntimeError) as fault:
                found[name][kind] = type(fault).__name__
    PATH.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
