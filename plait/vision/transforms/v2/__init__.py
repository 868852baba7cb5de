"""Version 2 of the transforms: images with their masks and boxes, changed together."""

from plait._unbuilt import unbuilt
from plait.vision.transforms._interpolation import InterpolationMode
from plait.vision.transforms.v2 import functional
from plait.vision.transforms.v2._transform import Transform
from plait.vision.transforms.v2.auto import (
    AugMix,
    AutoAugment,
    AutoAugmentPolicy,
    RandAugment,
    TrivialAugmentWide,
)
from plait.vision.transforms.v2.color import (
    RGB,
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomChannelPermutation,
    RandomEqualize,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
    RandomPhotometricDistort,
    RandomPosterize,
    RandomSolarize,
)
from plait.vision.transforms.v2.container import Compose, RandomApply, RandomChoice, RandomOrder
from plait.vision.transforms.v2.conversions import (
    ConvertImageDtype,
    Identity,
    Lambda,
    LinearTransformation,
    Normalize,
    PILToTensor,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
    ToTensor,
    UniformTemporalSubsample,
)
from plait.vision.transforms.v2.detection import (
    ClampBoundingBoxes,
    ConvertBoundingBoxFormat,
    SanitizeBoundingBoxes,
    SetClampingMode,
)
from plait.vision.transforms.v2.geometry import (
    CenterCrop,
    ElasticTransform,
    FiveCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from plait.vision.transforms.v2.mixing import CutMix, MixUp
from plait.vision.transforms.v2.scaling import (
    RandomIoUCrop,
    RandomResize,
    RandomShortestSize,
    RandomZoomOut,
    ScaleJitter,
)

__getattr__ = unbuilt(
    "torchvision.transforms.v2",
    ("JPEG", "ClampKeyPoints", "SanitizeKeyPoints"),
)
