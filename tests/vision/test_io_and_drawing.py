"""Image files as tensors, and drawing into pictures."""

import numpy as np
import pytest
from PIL import Image

import plait
from plait.vision import io
from plait.vision.utils import draw_bounding_boxes, draw_segmentation_masks

RNG = np.random.default_rng(0)
PICTURE = plait.from_numpy(RNG.integers(0, 256, (3, 12, 16)).astype(np.uint8))


def test_png_keeps_every_value(tmp_path):
    path = tmp_path / "a.png"
    io.write_png(PICTURE, path)
    assert plait.equal(io.read_image(path), PICTURE)
    assert plait.equal(io.decode_png(io.encode_png(PICTURE, compression_level=0)), PICTURE)
    grey = io.read_image(str(path), io.ImageReadMode.GRAY)
    assert np.array_equal(grey[0].numpy(), np.asarray(Image.open(path).convert("L")))
    assert io.decode_image(path, "RGB_ALPHA").shape == (4, 12, 16)
    assert plait.equal(io.read_image(path, mode="rgb"), PICTURE)


def test_jpeg_is_near(tmp_path):
    smooth = (plait.arange(12)[:, None] * 10 + plait.arange(16)).to(plait.uint8)
    io.write_jpeg(smooth[None], tmp_path / "a.jpg", quality=95)
    read = io.read_image(tmp_path / "a.jpg")
    assert read.shape == (1, 12, 16)
    assert (read[0].int() - smooth.int()).abs().max().item() < 8
    both = io.decode_jpeg(io.encode_jpeg([PICTURE, PICTURE]))
    assert [image.shape for image in both] == [(3, 12, 16)] * 2


def test_sixteen_bits_palettes_and_orientation(tmp_path):
    deep = RNG.integers(0, 65536, (4, 5)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    read = io.read_image(tmp_path / "deep.png")
    assert read.dtype == plait.uint16
    assert np.array_equal(read[0].numpy(), deep)
    Image.fromarray(PICTURE.permute(1, 2, 0).numpy()).quantize(8).save(tmp_path / "few.png")
    assert io.read_image(tmp_path / "few.png").shape == (3, 12, 16)
    turned = Image.fromarray(PICTURE.permute(1, 2, 0).numpy().copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert io.read_image(tmp_path / "turned.jpg").shape == (3, 12, 16)
    assert io.read_image(tmp_path / "turned.jpg", apply_exif_orientation=True).shape == (3, 16, 12)


def test_what_is_no_image(tmp_path):
    noise = plait.zeros(30, dtype=plait.uint8)
    with pytest.raises(RuntimeError, match="not those of an image"):
        io.decode_image(noise)
    with pytest.raises(RuntimeError, match="not those of a JPEG image"):
        io.decode_jpeg(io.encode_png(PICTURE))
    with pytest.raises(RuntimeError, match="Expected the bytes of an image"):
        io.decode_image(PICTURE)
    with pytest.raises(RuntimeError, match="dtype should be uint8"):
        io.encode_png(PICTURE.float())
    with pytest.raises(RuntimeError, match="channels should be 1 or 3"):
        io.encode_png(PICTURE[:2])
    with pytest.raises(ValueError, match="between 1 and 100"):
        io.encode_jpeg(PICTURE, quality=0)
    with pytest.raises(FileNotFoundError):
        io.read_image(tmp_path / "none.png")
    io.write_file(tmp_path / "raw", noise)
    assert io.read_file(tmp_path / "raw").tolist() == [0] * 30
    with pytest.raises(NotImplementedError, match="decode_webp is not built"):
        _ = io.decode_webp


def test_boxes_in_a_picture():
    picture = plait.zeros(3, 12, 16, dtype=plait.uint8)
    boxes = plait.tensor([[2.0, 3, 8, 9], [10, 1, 14, 4]])
    out = draw_bounding_boxes(picture, boxes, colors=["red", (0, 0, 9)])
    assert out[:, 3, 2].tolist() == [255, 0, 0]
    assert out[:, 1, 10].tolist() == [0, 0, 9]
    assert out[:, 5, 5].tolist() == [0, 0, 0]
    frame = (out[0] == 255).sum().item()
    assert frame == 4 * 6  # the outline of a square of 7 pixels
    filled = draw_bounding_boxes(picture, boxes, colors="red", fill=True)
    assert filled[:, 5, 5].tolist() == [100, 0, 0]
    floats = draw_bounding_boxes(picture[:1].float(), boxes[:1], colors="white")
    assert (floats.dtype, floats.max().item(), floats.shape) == (plait.float32, 1.0, (3, 12, 16))
    labelled = draw_bounding_boxes(picture, boxes[:1], ["x"], colors="red")
    assert (labelled[0] > 0).sum().item() > frame
    with pytest.warns(UserWarning, match="doesn't contain any box"):
        assert draw_bounding_boxes(picture, boxes[:0]) is picture
    with pytest.raises(ValueError, match="xmin, ymin, xmax, ymax"):
        draw_bounding_boxes(picture, boxes.flip(1))
    with pytest.raises(ValueError, match="mismatch"):
        draw_bounding_boxes(picture, boxes, ["one"])
    with pytest.raises(ValueError, match="equal or larger"):
        draw_bounding_boxes(picture, boxes, colors=["red"])
    with pytest.raises(TypeError, match="Tensor expected"):
        draw_bounding_boxes(picture.numpy(), boxes)


def test_masks_over_a_picture():
    picture = plait.full((3, 1, 4), 100, dtype=plait.uint8)
    masks = plait.tensor([[[1, 1, 0, 0]], [[1, 0, 1, 0]]], dtype=plait.bool)
    out = draw_segmentation_masks(picture, masks, 0.5, [(200, 0, 0), "blue"])
    assert out[:, 0].T.tolist() == [[50] * 3, [150, 50, 50], [50, 50, 177], [100] * 3]
    floats = draw_segmentation_masks(picture.float() / 255, masks[0], 1.0, "white")
    assert floats[0, 0].tolist() == pytest.approx([1, 1, 100 / 255, 100 / 255])
    default = draw_segmentation_masks(picture, masks, 1.0)
    assert default[:, 0, 2].tolist() == [(2**25 - 1) % 255, (2**15 - 1) % 255, (2**21 - 1) % 255]
    with pytest.raises(ValueError, match="dtype bool"):
        draw_segmentation_masks(picture, masks.int())
    with pytest.raises(ValueError, match="same height and width"):
        draw_segmentation_masks(picture, masks[..., :2])
