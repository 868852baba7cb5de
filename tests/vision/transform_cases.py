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


def second(torch: Any, v2: Any) -> dict[str, Any]:
    """Transforms of version 2, by name."""
    return {
        "Resize": v2.Resize((40, 30)),
        "Resize, shorter": v2.Resize(30, max_size=35),
        "Resize, longer": v2.Resize(None, max_size=50),
        "CenterCrop": v2.CenterCrop((15, 40)),
        "Pad": v2.Pad((1, 2, 3, 4), fill=7),
        "RandomHorizontalFlip": v2.RandomHorizontalFlip(1.0),
        "RandomVerticalFlip": v2.RandomVerticalFlip(0.5),
        "RandomCrop": v2.RandomCrop((15, 20), padding=3),
        "RandomCrop, padded": v2.RandomCrop((30, 20), pad_if_needed=True),
        "RandomResizedCrop": v2.RandomResizedCrop(18),
        "RandomRotation": v2.RandomRotation(40),
        "RandomRotation, expand": v2.RandomRotation((20, 50), expand=True),
        "RandomAffine": v2.RandomAffine(30, (0.1, 0.2), (0.8, 1.2), (-5, 5, -3, 3)),
        "RandomPerspective": v2.RandomPerspective(0.4, 0.9),
        "ColorJitter": v2.ColorJitter(0.4, 0.5, (0.2, 1.5), 0.3),
        "RandomGrayscale": v2.RandomGrayscale(0.5),
        "RandomPhotometricDistort": v2.RandomPhotometricDistort(),
        "RandomChannelPermutation": v2.RandomChannelPermutation(),
        "GaussianBlur": v2.GaussianBlur(5),
        "RandomInvert": v2.RandomInvert(),
        "RandomZoomOut": v2.RandomZoomOut(side_range=(1.0, 2.0), p=0.9),
        "RandomIoUCrop": v2.RandomIoUCrop(),
        "RandomShortestSize": v2.RandomShortestSize([20, 26, 32], max_size=40),
        "RandomResize": v2.RandomResize(20, 40),
        "ScaleJitter": v2.ScaleJitter((30, 30)),
        "ToDtype": v2.ToDtype(torch.float32, scale=True),
        "Compose": v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(20), v2.Resize(16)]),
        "RandomApply": v2.RandomApply([v2.CenterCrop(9)], 0.6),
        "RandomChoice": v2.RandomChoice([v2.CenterCrop(12), v2.RandomCrop(12)]),
        "RandomOrder": v2.RandomOrder([v2.CenterCrop(20), v2.Resize(12)]),
        "ClampBoundingBoxes": v2.ClampBoundingBoxes(),
        "ConvertBoundingBoxFormat": v2.ConvertBoundingBoxFormat("XYXY"),
        "SanitizeBoundingBoxes": v2.SanitizeBoundingBoxes(),
    }


BOXES = {
    "XYXY": [[2, 3, 11, 12], [20, 1, 31, 9], [0, 15, 6, 24]],
    "XYWH": [[2, 3, 9, 9], [20, 1, 11, 8], [0, 15, 6, 9]],
    "CXCYWH": [[7, 8, 10, 9], [25, 5, 11, 8], [3, 19, 6, 9]],
}


def samples(torch: Any, tv_tensors: Any) -> dict[str, Any]:
    """An image with boxes, a mask and labels, for each format of boxes and dtype."""
    found = {}
    image = torch.from_numpy(pixels()["smooth"].transpose(2, 0, 1).copy())
    mask = torch.from_numpy((pixels()["grey"] > 100).astype(np.uint8))
    for form, values in BOXES.items():
        for dtype in (torch.int64, torch.float32):
            boxes = torch.tensor(values, dtype=dtype)
            found[f"{form} {str(dtype).rpartition('.')[2]}"] = {
                "image": tv_tensors.Image(image),
                "boxes": tv_tensors.BoundingBoxes(boxes, format=form, canvas_size=(HEIGHT, WIDTH)),
                "mask": tv_tensors.Mask(mask),
                "labels": torch.arange(3),
            }
    return found


def facts(torch: Any, results: list[dict[str, Any]]) -> list[Any]:
    """Measures of the images and masks, and all that boxes have."""
    found = []
    for sample in results:
        boxes = sample["boxes"]
        listed = boxes.as_subclass(torch.Tensor).double().numpy().round(3).tolist()
        found.append(
            {
                "image": measures(torch, sample["image"].as_subclass(torch.Tensor)),
                "mask": measures(torch, sample["mask"].as_subclass(torch.Tensor)),
                "boxes": listed,
                "about": [boxes.format.value, list(boxes.canvas_size), str(boxes.dtype)[-7:]],
                "labels": sample["labels"].tolist(),
            }
        )
    return found


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
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    for name, transform in second(torch, v2).items():
        found[f"v2 {name}"] = {
            kind: facts(torch, seeded(torch, transform, sample))
            for kind, sample in samples(torch, tv_tensors).items()
        }
    PATH.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
