"""Transforms give what torchvision gave for the same images and seeds."""

import json

import numpy as np
import pytest

import plait
from plait.vision import transforms as T
from plait.vision.transforms import functional as F
from tests.vision import transform_cases as cases

EXPECTED = json.loads(cases.PATH.read_text())
IMAGES = cases.images(plait, F)
FUNCTIONS = cases.functions(plait, F)
TRANSFORMS = cases.transforms(T)


def assert_measures(found, expected, share=0.05):
    assert len(found) == len(expected)
    for (shape, *sums), (expected_shape, *expected_sums) in zip(found, expected):
        assert shape == expected_shape
        size = np.prod(shape)
        # Some bytes in a hundred may be rounded the other way: where a float falls on a half or, in
        # mixtures, which are cut off, on a whole number.
        largest = 255 if max(map(abs, expected_sums)) > 2 * size else 1
        atol = share * size if largest == 255 else 1e-5 * size
        np.testing.assert_allclose(sums, expected_sums, rtol=0, atol=atol)


def run(call, expected):
    """Compare the measures, or the type of the error."""
    if not isinstance(expected, str):
        assert_measures(cases.measures(plait, call()), expected)
        return
    with pytest.raises((AttributeError, TypeError, ValueError, RuntimeError)) as caught:
        call()
    assert type(caught.value).__name__ == expected


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name, kind):
    run(lambda: FUNCTIONS[name](IMAGES[kind]), EXPECTED[name][kind])


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform(name, kind):
    assert repr(TRANSFORMS[name]) == EXPECTED[name]["repr"]
    run(lambda: cases.seeded(plait, TRANSFORMS[name], IMAGES[kind]), EXPECTED[name][kind])


def test_mixtures_keep_kind_shape_and_range():
    plait.manual_seed(0)
    for mix in (T.AugMix(), T.AugMix(5, 2, 2, 0.5, all_ops=False)):
        for kind in ("noise, picture", "noise, bytes"):
            image = IMAGES[kind]
            out = mix(image)
            assert type(out) is type(image)
            assert F.get_dimensions(out) == [3, cases.HEIGHT, cases.WIDTH]
            tensor = out if isinstance(out, plait.Tensor) else F.pil_to_tensor(out)
            assert 60 < tensor.float().mean().item() < 200
    assert repr(T.AugMix()).startswith("AugMix(severity=3, mixture_width=3, chain_depth=-1")
    with pytest.raises(ValueError, match="severity must be between"):
        T.AugMix(severity=11)


def test_whitening():
    matrix, mean = plait.tensor([[0.0, 2.0], [1.0, 0.0]]), plait.tensor([1.0, 2.0])
    out = T.LinearTransformation(matrix, mean)(plait.tensor([3.0, 5.0]).view(1, 1, 2))
    assert out.flatten().tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match="should be square"):
        T.LinearTransformation(plait.zeros(2, 3), mean)


MISTAKES = {
    "hue too far": (lambda: F.adjust_hue(IMAGES["grey, bytes"], 0.7), ValueError, "hue_factor"),
    "negative": (lambda: F.adjust_contrast(IMAGES["grey, bytes"], -1), ValueError, "non-negative"),
    "even kernel": (lambda: F.gaussian_blur(IMAGES["grey, bytes"], 4), ValueError, "odd"),
    "jitter": (lambda: T.ColorJitter(hue=0.8), ValueError, "hue values should be between"),
    "jitter sign": (lambda: T.ColorJitter(-1), ValueError, "must be non negative"),
    "degrees": (lambda: T.RandomAffine(-3), ValueError, "must be positive"),
    "translate": (lambda: T.RandomAffine(3, (2, 0)), ValueError, "between 0 and 1"),
    "five": (lambda: F.five_crop(IMAGES["grey, bytes"], 99), ValueError, "bigger than input size"),
    "erase": (lambda: F.erase(3, 0, 0, 1, 1, 0), TypeError, "should be Tensor Image"),
    "erasing": (lambda: T.RandomErasing(value="noise"), ValueError, "should be 'random'"),
    "policy": (lambda: T.AutoAugment("imagenet"), ValueError, "is not recognized"),
    "order": (lambda: T.RandomOrder(3), TypeError, "should be a sequence"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind, match=text):
        call()
