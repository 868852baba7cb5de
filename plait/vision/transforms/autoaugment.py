"""Augmentation by random operations of random strength: AutoAugment and what came after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image
from plait.vision.transforms import _autoaugment_policies as policies
from plait.vision.transforms import functional
from plait.vision.transforms._random import integer
from plait.vision.transforms.functional import InterpolationMode

# What an operation may do: the strengths to choose from, and whether their sign is random.
Space = dict[str, tuple[list[float], bool]]


class AutoAugmentPolicy(Enum):
    """The data set that a policy was found on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def _space(bins: int, shear: float, factor: float, turn: float, moves: Sequence[float]) -> Space:
    """The operations in the order in which they are drawn, with `bins` strengths each."""

    def up_to(greatest: float) -> tuple[list[float], bool]:
        return plait.linspace(0.0, greatest, bins).tolist(), True

    return {
        "ShearX": up_to(shear),
        "ShearY": up_to(shear),
        "TranslateX": up_to(moves[0]),
        "TranslateY": up_to(moves[1]),
        "Rotate": up_to(turn),
        "Brightness": up_to(factor),
        "Color": up_to(factor),
        "Contrast": up_to(factor),
        "Sharpness": up_to(factor),
        "Posterize": (_posterize_bits(bins, 8, 4), False),
        "Solarize": (plait.linspace(255.0, 0.0, bins).tolist(), False),
        "AutoContrast": ([], False),
        "Equalize": ([], False),
    }


def _posterize_bits(bins: int, most: int, taken: int) -> list[float]:
    """From `most` bits down to `most - taken`."""
    return [most - float(v) for v in (plait.arange(bins) / ((bins - 1) / taken)).round().tolist()]


def _apply_op(
    img: Any, op_name: str, magnitude: float, interpolation: InterpolationMode, fill: Any
) -> Any:
    """One operation; ValueError for an unknown one."""
    if op_name in ("ShearX", "ShearY"):
        degrees = math.degrees(math.atan(magnitude))
        shear = [degrees, 0.0] if op_name == "ShearX" else [0.0, degrees]
        return functional.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, [0, 0])
    if op_name in ("TranslateX", "TranslateY"):
        pixels = int(magnitude)
        move = [pixels, 0] if op_name == "TranslateX" else [0, pixels]
        return functional.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation, fill)
    simple = {
        "Rotate": lambda: functional.rotate(img, magnitude, interpolation, fill=fill),
        "Brightness": lambda: functional.adjust_brightness(img, 1.0 + magnitude),
        "Color": lambda: functional.adjust_saturation(img, 1.0 + magnitude),
        "Contrast": lambda: functional.adjust_contrast(img, 1.0 + magnitude),
        "Sharpness": lambda: functional.adjust_sharpness(img, 1.0 + magnitude),
        "Posterize": lambda: functional.posterize(img, int(magnitude)),
        "Solarize": lambda: functional.solarize(img, magnitude),
        "AutoContrast": lambda: functional.autocontrast(img),
        "Equalize": lambda: functional.equalize(img),
        "Invert": lambda: functional.invert(img),
        "Identity": lambda: img,
    }
    if op_name not in simple:
        raise error(ValueError, f"The provided operator {op_name} is not recognized.")
    return simple[op_name]()


class _Augment(plait.nn.Module):
    """Base: interpolation and fill colour, and one random operation."""

    def __init__(self, interpolation: InterpolationMode, fill: Any) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _drawn(self, img: Any, space: Space, strength: int | None, below: int) -> Any:
        """A random operation of the space, of the given strength or one drawn `below` a bound."""
        name = list(space)[integer(0, len(space))]
        strengths, signed = space[name]
        magnitude = 0.0
        if strengths:
            magnitude = strengths[integer(0, below) if strength is None else strength]
        if signed and integer(0, 2):
            magnitude = -magnitude
        return _apply_op(img, name, magnitude, self.interpolation, self.fill)

    def __repr__(self) -> str:
        shown = [*self._shown(), f"fill={self.fill}"]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _shown(self) -> list[str]:
        raise NotImplementedError


class AutoAugment(_Augment):
    """Two operations by a random row of a policy (arXiv:1805.09501)."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not isinstance(policy, AutoAugmentPolicy):
            raise error(ValueError, f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self.policies: list[tuple[policies.Step, policies.Step]] = getattr(policies, policy.name)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Any, Any]:
        """The number of the row, two draws from [0, 1), two signs."""
        number = int(plait.randint(transform_num, (1,)).item())
        return number, plait.rand((2,)), plait.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        _, height, width = functional.get_dimensions(img)
        moves = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        space = {**_space(10, 0.3, 0.9, 30.0, moves), "Invert": ([], False)}
        row, draws, signs = self.get_params(len(self.policies))
        for (name, p, strength), draw, sign in zip(
            self.policies[row], draws.tolist(), signs.tolist()
        ):
            # The probabilities are compared as float32, in which the draws are.
            if draw > plait.tensor(p).item():
                continue
            strengths, signed = space[name]
            magnitude = strengths[strength] if strength is not None else 0.0
            if signed and sign == 0:
                magnitude = -magnitude
            img = _apply_op(img, name, magnitude, self.interpolation, self.fill)
        return img

    def _shown(self) -> list[str]:
        return [f"policy={self.policy}"]


class RandAugment(_Augment):
    """`num_ops` random operations of one strength (arXiv:1909.13719)."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        _, height, width = functional.get_dimensions(img)
        moves = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
        space = {"Identity": ([], False), **_space(self.num_magnitude_bins, 0.3, 0.9, 30.0, moves)}
        for _ in range(self.num_ops):
            img = self._drawn(img, space, self.magnitude, 0)
        return img

    def _shown(self) -> list[str]:
        return [
            f"num_ops={self.num_ops}",
            f"magnitude={self.magnitude}",
            f"num_magnitude_bins={self.num_magnitude_bins}",
            f"interpolation={self.interpolation}",
        ]


class TrivialAugmentWide(_Augment):
    """One random operation of random strength (arXiv:2103.10158)."""

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        bins = self.num_magnitude_bins
        space = {"Identity": ([], False), **_space(bins, 0.99, 0.99, 135.0, (32.0, 32.0))}
        space["Posterize"] = (_posterize_bits(bins, 8, 6), False)
        return self._drawn(img, space, None, bins)

    def _shown(self) -> list[str]:
        return [
            f"num_magnitude_bins={self.num_magnitude_bins}",
            f"interpolation={self.interpolation}",
        ]


class AugMix(_Augment):
    """A random mixture of the image and chains of random operations on it (arXiv:1912.02781).

    Args:
        severity: greatest strength, 1 to 10.
        mixture_width: number of chains.
        chain_depth: operations of a chain; one to three at random if not positive.
        alpha: of the distributions (Dirichlet) of the weights.
        all_ops: brightness, colour, contrast and sharpness, too.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise error(
                ValueError, f"The severity must be between [1, 10]. Got {severity} instead."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _operations(self, height: int, width: int) -> Space:
        space = _space(10, 0.3, 0.9, 30.0, (width / 3.0, height / 3.0))
        space["Posterize"] = (_posterize_bits(10, 4, 4), False)
        colours = {name: space.pop(name) for name in ("Brightness", "Color", "Contrast")}
        colours["Sharpness"] = space.pop("Sharpness")
        return {**space, **colours} if self.all_ops else space

    def forward(self, orig_img: Any) -> Any:
        img = functional.pil_to_tensor(orig_img) if is_pillow_image(orig_img) else orig_img
        if not isinstance(img, plait.Tensor):
            raise error(TypeError, f"img should be PIL Image or Tensor Image. Got {type(img)}")
        _, height, width = functional.get_dimensions(img)
        space = self._operations(height, width)
        batch = img.reshape([1] * max(4 - img.ndim, 0) + list(img.shape))
        count = batch.shape[0]

        def weights(parts: int) -> Any:
            concentration = plait.full((parts,), float(self.alpha)).expand(count, parts)
            return plait.distributions.Dirichlet(concentration).sample()

        shares = weights(2)
        of_chains = weights(self.mixture_width) * shares[:, 1:]
        mixture = shares[:, 0].reshape(-1, 1, 1, 1) * batch
        for chain in range(self.mixture_width):
            changed = batch
            depth = self.chain_depth if self.chain_depth > 0 else integer(1, 4)
            for _ in range(depth):
                changed = self._drawn(changed, space, None, self.severity)
            mixture = mixture + of_chains[:, chain].reshape(-1, 1, 1, 1) * changed
        result = mixture.reshape(img.shape).to(img.dtype)
        if is_pillow_image(orig_img):
            return functional.to_pil_image(result, mode=orig_img.mode)
        return result

    def _shown(self) -> list[str]:
        return [
            f"severity={self.severity}",
            f"mixture_width={self.mixture_width}",
            f"chain_depth={self.chain_depth}",
            f"alpha={self.alpha}",
            f"all_ops={self.all_ops}",
            f"interpolation={self.interpolation}",
        ]
