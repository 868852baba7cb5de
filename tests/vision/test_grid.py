"""make_grid and save_image."""

import io

import numpy as np
import pytest
from PIL import Image

import plait
from plait.vision.utils import make_grid, save_image


def test_grid_places_images_in_rows():
    images = plait.arange(5).float().view(5, 1, 1, 1).expand(5, 3, 2, 4)
    grid = make_grid(images, nrow=3, padding=1, pad_value=9.0)
    assert tuple(grid.shape) == (3, 2 * 3 + 1, 3 * 5 + 1)
    expected = np.full((7, 16), 9.0)
    for number in range(5):
        row, column = divmod(number, 3)
        expected[1 + 3 * row : 3 + 3 * row, 1 + 5 * column : 5 + 5 * column] = number
    for channel in range(3):
        np.testing.assert_array_equal(grid[channel].numpy(), expected)


def test_grey_becomes_colour_and_a_single_image_has_no_border():
    image = plait.rand(4, 5)
    grid = make_grid(image)
    assert tuple(grid.shape) == (3, 4, 5)
    assert plait.equal(grid[0], image)
    assert tuple(make_grid([plait.rand(1, 4, 5)] * 2).shape) == (3, 8, 16)


def test_normalize():
    images = plait.tensor([[0.0, 10.0], [5.0, 20.0]]).view(2, 1, 1, 2)
    whole = make_grid(images, padding=0, normalize=True)
    assert whole[0].tolist() == [[0.0, 0.5, 0.25, 1.0]]
    each = make_grid(images, padding=0, normalize=True, scale_each=True)
    assert each[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    clamped = make_grid(images, padding=0, normalize=True, value_range=(5, 10))
    assert clamped[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    assert images.flatten().tolist() == [0.0, 10.0, 5.0, 20.0]


def test_save_image_writes_rounded_bytes(tmp_path):
    image = plait.tensor([[[0.0, 0.5, 1.0, 2.0]]]).expand(3, 1, 4)
    path = tmp_path / "picture.png"
    save_image(image, path)
    assert np.asarray(Image.open(path))[0, :, 0].tolist() == [0, 128, 255, 255]
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]
    buffer = io.BytesIO()
    save_image(image, buffer, format="png")
    assert buffer.getvalue() == path.read_bytes()


def test_bad_input(tmp_path):
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        make_grid([1, 2])
    with pytest.raises(TypeError, match="value_range has to be a tuple"):
        make_grid(plait.rand(2, 3, 4, 4), normalize=True, value_range=[0, 1])
    with pytest.raises(ValueError, match=r"unknown file extension: '\.nothing'"):
        save_image(plait.rand(3, 4, 4), tmp_path / "picture.nothing")
    assert list(tmp_path.iterdir()) == []
