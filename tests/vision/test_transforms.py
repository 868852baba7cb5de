"""Transforms: tensors and Pillow images agree, random ones draw what torchvision draws."""

import numpy as np
import pytest
from PIL import Image

import plait
from plait.vision import transforms
from plait.vision.transforms import InterpolationMode
from plait.vision.transforms import functional as F

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (28, 30)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (20, 31, 3)).astype(np.uint8)


def both(array):
    """A Pillow image and the tensor of the same pixels."""
    image = Image.fromarray(array)
    return image, F.pil_to_tensor(image)


GEOMETRY = {
    "crop": lambda x: F.crop(x, 3, 5, 10, 12),
    "crop beyond": lambda x: F.crop(x, -3, 25, 20, 40),
    "centre": lambda x: F.center_crop(x, (9, 12)),
    "centre beyond": lambda x: F.center_crop(x, (41, 7)),
    "hflip": F.hflip,
    "vflip": F.vflip,
    "pad": lambda x: F.pad(x, (1, 2, 3, 4), 7),
    "pad negative": lambda x: F.pad(x, (-1, 2, 3, -4)),
    "pad edge": lambda x: F.pad(x, [1, 2], padding_mode="edge"),
    "pad reflect": lambda x: F.pad(x, 3, padding_mode="reflect"),
    "pad symmetric": lambda x: F.pad(x, (1, 2, 3, 4), padding_mode="symmetric"),
    "pad edge negative": lambda x: F.pad(x, (-1, 2, 3, -4), padding_mode="edge"),
}


@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("name", GEOMETRY)
def test_image_and_tensor_agree(array, name):
    image, tensor = both(array)
    function = GEOMETRY[name]
    assert plait.equal(F.pil_to_tensor(function(image)), function(tensor))


ROTATIONS = {
    "angle": lambda x: F.rotate(x, 30),
    "expand": lambda x: F.rotate(x, 30, expand=True),
    "quarter": lambda x: F.rotate(x, 90, expand=True),
    "centre and fill": lambda x: F.rotate(x, 30, center=(3, 5), fill=9),
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_rotations_agree(name):
    image, tensor = both(GREY)
    from_image = F.pil_to_tensor(ROTATIONS[name](image))
    from_tensor = ROTATIONS[name](tensor)
    assert from_image.shape == from_tensor.shape
    # Nearest pixel: float32 here and float64 in Pillow may choose differently on a tie.
    assert (from_image != from_tensor).sum().item() <= 0.02 * from_image.numel()


def test_resize_smooths_as_pillow_does():
    image, tensor = both(GREY)
    difference = F.pil_to_tensor(F.resize(image, (14, 20))).int() - F.resize(tensor, (14, 20)).int()
    assert difference.abs().max().item() <= 1  # Pillow sums in fixed point


@pytest.mark.parametrize(
    ("size", "max_size", "expected"),
    [
        (10, None, (10, 15)),
        ([10], None, (10, 15)),
        ((8, 9), None, (8, 9)),
        (10, 12, (8, 12)),
        (20, None, (20, 31)),
    ],
)
def test_resized_size(size, max_size, expected):
    assert F.resized_size((20, 31), size, max_size) == expected
    image, tensor = both(COLOUR)
    height, width = expected
    resize = transforms.Resize(size, InterpolationMode.NEAREST, max_size=max_size)
    assert resize(image).size == (width, height)
    assert tuple(resize(tensor).shape) == (3, height, width)


def test_grayscale():
    image, tensor = both(COLOUR)
    from_image = F.pil_to_tensor(F.rgb_to_grayscale(image, 3)).int()
    from_tensor = F.rgb_to_grayscale(tensor, 3).int()
    # Pillow has rounded weights and rounds, tensors truncate.
    assert (from_image - from_tensor).abs().max().item() <= 1
    assert tuple(F.rgb_to_grayscale(tensor).shape) == (1, 20, 31)
    assert transforms.Grayscale()(image).mode == "L"


def test_to_tensor_scales_bytes_only():
    image, _ = both(COLOUR)
    expected = COLOUR.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    for pic in (image, COLOUR):
        tensor = F.to_tensor(pic)
        assert tensor.dtype == plait.float32
        assert tensor.is_contiguous()
        np.testing.assert_array_equal(tensor.numpy(), expected)
    assert F.to_tensor(COLOUR.astype(np.float64)).dtype == plait.float64
    assert F.to_tensor(COLOUR.astype(np.int32)).max().item() == COLOUR.max()
    assert F.to_tensor(Image.fromarray(GREY > 99)).unique().tolist() == [0.0, 1.0]
    assert F.to_tensor(Image.fromarray(GREY.astype(np.float32))).dtype == plait.float32


def test_to_tensor_does_not_share_memory():
    array = GREY.astype(np.float32)
    tensor = F.to_tensor(array)
    array[:] = -1
    assert tensor.min().item() >= 0


@pytest.mark.parametrize("shape", [(28, 28), (1, 5, 6), (2, 5, 6), (3, 5, 6), (4, 5, 6)])
def test_round_trip_through_pillow(shape):
    pixels = RNG.integers(0, 256, shape).astype(np.uint8)
    tensor = plait.from_numpy(pixels)
    image = F.to_pil_image(tensor)
    back = F.pil_to_tensor(image)
    np.testing.assert_array_equal(back.numpy().reshape(shape), pixels)
    again = F.to_pil_image(F.to_tensor(image))
    assert again.tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: F.to_tensor([1, 2]), TypeError, "pic should be PIL Image or ndarray. Got"),
        (lambda: F.to_tensor(np.zeros(3)), ValueError, "2/3 dimensional. Got 1 dimensions"),
        (lambda: F.to_pil_image("x"), TypeError, "pic should be Tensor or ndarray"),
        (lambda: F.to_pil_image(np.zeros((2, 2, 5))), ValueError, "> 4 channels. Got 5"),
        (
            lambda: F.to_pil_image(GREY, mode="F"),
            ValueError,
            r"Incorrect mode \(F\) supplied for input type uint8. Should be L",
        ),
        (lambda: F.to_pil_image(COLOUR, mode="LA"), ValueError, "Only modes RGB, YCbCr, HSV"),
        (lambda: F.hflip(GREY), TypeError, "PIL Image or Tensor Image. Got"),
        (lambda: F.pad(both(GREY)[1], (1, 2, 3)), ValueError, "1, 2, or 4 element tuple"),
        (lambda: F.pad(both(GREY)[1], 1, padding_mode="wrap"), ValueError, "should be one of"),
        (lambda: F.pad(both(COLOUR)[0], 1, (1, 2)), ValueError, r"number of channels .*2 != 3"),
        (lambda: F.resize(both(GREY)[0], 5, max_size=4), ValueError, "strictly greater"),
        (lambda: F.resize(both(GREY)[0], (1, 2, 3)), ValueError, "1 or 2 element"),
        (
            lambda: F.resize(both(GREY)[1], 5, InterpolationMode.LANCZOS),
            ValueError,
            "'lanczos' is for Pillow images",
        ),
        (lambda: F.resize(both(GREY)[0], 5, 77), ValueError, "no filter number 77"),
        (
            lambda: F.normalize(both(GREY)[1], [0.5], [0.5]),
            TypeError,
            "Input tensor should be a float tensor. Got",
        ),
        (
            lambda: F.normalize(plait.zeros(3, 3), [0.5], [0.5]),
            ValueError,
            r"\(\.\.\., C, H, W\)",
        ),
        (lambda: F.normalize(plait.zeros(1, 2, 2), [0.5], [0.0]), ValueError, "std evaluated to"),
        (
            lambda: F.normalize(plait.zeros(1, 2, 2), [0.5], [0.0], True),
            ValueError,
            "std evaluated to",
        ),
        (lambda: F.normalize(GREY, [0.5], [0.5]), TypeError, "should be Tensor Image"),
        (
            lambda: transforms.RandomCrop(40)(both(GREY)[0]),
            ValueError,
            r"crop size \(40, 40\) is larger than input image size \(28, 30\)",
        ),
        (lambda: transforms.RandomRotation(-1), ValueError, "must be positive"),
        (lambda: transforms.Lambda(3), TypeError, "should be callable"),
        (
            lambda: F.convert_image_dtype(plait.zeros(1), plait.int64),
            RuntimeError,
            "cannot be performed safely",
        ),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("inplace", [False, True])
def test_normalize(inplace):
    tensor = plait.rand(2, 3, 4, 5)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    expected = (tensor - plait.tensor(mean).view(3, 1, 1)) / plait.tensor(std).view(3, 1, 1)
    result = transforms.Normalize(mean, std, inplace)(tensor)
    assert plait.equal(result, expected)
    assert (result is tensor) == inplace


def test_normalize_keeps_gradients():
    tensor = plait.ones(1, 2, 2, requires_grad=True)
    F.normalize(tensor, [0.5], [4.0]).sum().backward()
    assert tensor.grad.tolist() == [[[0.25, 0.25], [0.25, 0.25]]]


def test_convert_image_dtype():
    tensor = plait.tensor([0, 127, 255], dtype=plait.uint8)
    as_float = F.convert_image_dtype(tensor)
    assert as_float.tolist() == pytest.approx([0, 127 / 255, 1])
    assert F.convert_image_dtype(as_float, plait.uint8).tolist() == [0, 127, 255]
    assert F.convert_image_dtype(tensor, plait.int16).tolist() == [0, 127 * 128, 255 * 128]
    wide = plait.tensor([0, 128, 32767], dtype=plait.int16)
    assert F.convert_image_dtype(wide, plait.uint8).tolist() == [0, 1, 255]


def test_random_crop_draws_row_then_column():
    image, _ = both(GREY)
    plait.manual_seed(5)
    crops = [transforms.RandomCrop.get_params(image, (10, 12)) for _ in range(3)]
    plait.manual_seed(5)
    for top, left, height, width in crops:
        assert top == plait.randint(0, 28 - 10 + 1, size=(1,)).item()
        assert left == plait.randint(0, 30 - 12 + 1, size=(1,)).item()
        assert (height, width) == (10, 12)


def test_random_crop_of_the_whole_image_draws_nothing():
    image, _ = both(GREY)
    plait.manual_seed(5)
    expected = plait.rand(1).item()
    plait.manual_seed(5)
    assert transforms.RandomCrop((28, 30))(image).tobytes() == image.tobytes()
    assert plait.rand(1).item() == expected


def test_random_crop_pads():
    _, tensor = both(GREY)
    plait.manual_seed(0)
    assert tuple(transforms.RandomCrop(30, padding=2)(tensor).shape) == (1, 30, 30)
    assert tuple(transforms.RandomCrop(40, pad_if_needed=True)(tensor).shape) == (1, 40, 40)


@pytest.mark.parametrize(
    ("transform", "flip"),
    [(transforms.RandomHorizontalFlip, F.hflip), (transforms.RandomVerticalFlip, F.vflip)],
)
def test_random_flips_follow_the_generator(transform, flip):
    _, tensor = both(GREY)
    plait.manual_seed(11)
    results = [transform(0.3)(tensor) for _ in range(20)]
    plait.manual_seed(11)
    flipped = [plait.rand(1).item() < 0.3 for _ in range(20)]
    assert any(flipped) and not all(flipped)
    for result, expected in zip(results, flipped):
        assert plait.equal(result, flip(tensor) if expected else tensor)


def test_random_resized_crop_and_rotation():
    image, tensor = both(COLOUR)
    plait.manual_seed(2)
    for _ in range(20):
        top, left, height, width = transforms.RandomResizedCrop.get_params(
            image, (0.1, 1.0), (0.75, 1.33)
        )
        assert 0 <= top <= 20 - height and 0 <= left <= 31 - width
    # A ratio that no part can have gives the middle of the image.
    assert transforms.RandomResizedCrop.get_params(image, (1.0, 1.0), (9, 9)) == (8, 0, 3, 31)
    assert transforms.RandomResizedCrop(8)(image).size == (8, 8)
    assert tuple(transforms.RandomResizedCrop((4, 6))(tensor).shape) == (3, 4, 6)
    assert transforms.RandomRotation(20, expand=True)(image).size[0] >= 31
    assert -20 <= transforms.RandomRotation.get_params([-20, 20]) <= 20


def test_compose_and_reprs():
    pipeline = transforms.Compose(
        [
            transforms.Resize(32),
            transforms.RandomCrop(28, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,), (0.5,)),
            transforms.Lambda(lambda x: x * 2),
        ]
    )
    plait.manual_seed(0)
    assert tuple(pipeline(both(GREY)[0]).shape) == (1, 28, 28)
    assert repr(pipeline) == (
        "Compose(\n"
        "    Resize(size=32, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    RandomCrop(size=(28, 28), padding=4)\n"
        "    RandomHorizontalFlip(p=0.5)\n"
        "    ToTensor()\n"
        "    Normalize(mean=(0.5,), std=(0.5,))\n"
        "    Lambda()\n"
        ")"
    )
    assert repr(transforms.RandomRotation(10)) == (
        "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"
    )


def test_torchvision_s_module_of_the_classes():
    from plait.vision import transforms
    from plait.vision.transforms import transforms as home

    assert all(getattr(transforms, name) is getattr(home, name) for name in home.__all__)
