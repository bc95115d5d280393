"""Images of any type of numbers come out as they are meant, on one scale for all."""

import ml_dtypes
import numpy as np
import pytest
from PIL import Image

import tl_strategies as tl
from tl_strategies.data.pixels import image_blocks, to_uint8

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3)).astype("uint8")
IMAGES[0, 0, 0] = 0, 255, 7
COARSE = IMAGES // 64 * 64  # so that bfloat16, of 8 bits, holds them


def convert(**parts):
    """Images of each part, and what was said."""
    blocks = {key: image_blocks(x, key) for key, x in parts.items()}
    images, notes = to_uint8(blocks)
    assert all(image.dtype == np.uint8 for found in images.values() for image in found)
    return images, " / ".join(notes)


@pytest.mark.parametrize(
    ("x", "note"),
    [
        (IMAGES, ""),
        (IMAGES.astype("float16"), ""),
        (IMAGES.astype("float32"), ""),
        (IMAGES.astype("int64"), ""),
        (IMAGES.astype("uint16"), ""),
        (IMAGES / 255, r"in [0, 1]"),
        ((IMAGES / 255).astype("float16"), r"in [0, 1]"),
        (IMAGES / 255 * (1 + 1e-6), r"in [0, 1]"),
        (IMAGES.astype("uint16") * 257, "16 bits"),
        (np.moveaxis(IMAGES, -1, 1), "channels came first"),
        (np.moveaxis(IMAGES, -1, 1) / 255, "channels came first"),
        ([*np.moveaxis(IMAGES, -1, 1)], "channels came first"),
        ([Image.fromarray(image) for image in IMAGES], ""),
        (np.ma.masked_array(IMAGES, False), ""),
    ],
)
def test_images_are_read_as_they_are_meant(x, note):
    images, said = convert(x=x)
    np.testing.assert_array_equal(images["x"], IMAGES)
    assert note in said
    assert bool(said) == bool(note)


@pytest.mark.parametrize("x", [IMAGES[..., 0], IMAGES[..., :1], [*IMAGES[..., 0]]])
def test_gray_images(x):
    np.testing.assert_array_equal(convert(x=x)[0]["x"], IMAGES[..., :1])


def test_bfloat16():
    images, _ = convert(x=COARSE.astype(ml_dtypes.bfloat16))
    np.testing.assert_array_equal(images["x"], COARSE)


def test_images_of_several_sizes_and_channels():
    objects = np.empty(3, object)
    objects[:] = [IMAGES[0], IMAGES[1, :3], IMAGES[2, ..., 0]]
    images, _ = convert(x=objects)
    assert [image.shape for image in images["x"]] == [(6, 8, 3), (3, 8, 3), (6, 8, 1)]


def test_the_axis_of_channels_is_that_of_all_images():
    images, _ = convert(x=[np.zeros((3, 9, 3)), np.zeros((3, 9, 9))])  # the first is 9 by 3
    assert [image.shape for image in images["x"]] == [(9, 3, 3), (9, 9, 3)]


@pytest.mark.parametrize("scale", [1, 1 / 255])
@pytest.mark.parametrize("stack", [list, np.stack])
def test_an_image_s_own_values_do_not_decide(stack, scale):
    """A dark image stays darker than a bright one, whatever it holds."""
    x = np.zeros((3, 4, 4, 3), "float32")
    x[1:] = np.array([1, 200], "float32")[:, None, None, None]
    images, _ = convert(x=stack([*(x * np.float32(scale))]))
    np.testing.assert_array_equal(images["x"], x)


def test_a_dark_image_of_16_bits():
    x = [np.full((4, 4 + i, 1), value, "uint16") for i, value in enumerate((200, 30_000))]
    assert [image.max() for image in convert(x=x)[0]["x"]] == [1, 117]
    test, _ = convert(x_train=x[1][None], x_test=x[0][None])
    assert test["x_test"][0].max() == 1


def test_12_bits_in_16_are_said():
    assert "12 bits" in convert(x=IMAGES.astype("uint16") * 16)[1]
    assert "12 bits" not in convert(x=IMAGES.astype("uint16") * 17)[1]


@pytest.mark.parametrize(
    ("x", "high", "note"),
    [
        (IMAGES > 128, 255, "true and false"),
        ((IMAGES > 128).astype("uint8"), 1, "only 0 and 1"),
        ((IMAGES > 128).astype("int64"), 1, "only 0 and 1"),
    ],
)
def test_masks(x, high, note):
    images, said = convert(x=x)
    assert np.max(images["x"]) == high
    assert note in said


def test_floats_of_any_width_are_alike():
    images, _ = convert(x_train=(IMAGES / 255).astype("float32"), x_test=IMAGES / 255)
    np.testing.assert_array_equal(images["x_train"], images["x_test"])


@pytest.mark.parametrize(
    "other",
    [IMAGES, IMAGES.astype("float32"), IMAGES.astype("uint16") * 257],
)
def test_parts_in_different_ranges_are_refused(other):
    for parts in ((IMAGES / 255, other), (other, IMAGES / 255)):
        with pytest.raises(tl.UsageError, match=r"x_train with .* x_test with .* uint8"):
            convert(x_train=parts[0], x_test=parts[1])


def test_8_and_16_bits_are_no_one_range():
    with pytest.raises(tl.UsageError, match="in one range"):
        convert(x=[IMAGES[0], IMAGES[1].astype("uint16") * 257])


NAN = [np.full((4, 4 + i, 3), np.nan if i == 2 else i) for i in range(4)]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (IMAGES - 128.0, "x must be in .* normalization"),
        (IMAGES / 127.5 - 1, "x must be in .* normalization"),
        ((IMAGES / 255 - 0.5) * 0.8, "x must be in .* normalization"),
        (IMAGES * 2.0, "x must be in .* uint8"),
        (IMAGES / 255 * 1.1, "x must be in .* Clip"),
        (IMAGES.astype("int32") * 257, "x must be in .* uint16"),
        (IMAGES.astype("int16") - 5, "x must be in .* uint8"),
        (NAN, r"NaN or infinity in x\[2\]"),
        (np.full((1, 4, 4, 3), np.inf), r"NaN or infinity in x\[0\]"),
        (IMAGES[..., :2], "1 or 3 channels"),
        (np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1), "1 or 3 channels"),
        (IMAGES[:, :0], "1 or 3 channels"),
        (IMAGES[0, 0], "x must be numbers of shape"),
        (np.array(0), "x must be numbers of shape"),
        (np.array(None), "x must be numbers of shape"),
        (IMAGES[None], "x must be numbers of shape"),
        (IMAGES.astype("complex64"), "x must be numbers"),
        (["photo.jpg"], r"x\[0\] must be numbers"),
        ([IMAGES[0], [[1, 2], [3]]], r"x\[1\] must be an array"),
        ([Image.new("P", (4, 4))], r"x\[0\] must be in color or gray.*mode P"),
        (np.ma.masked_less(IMAGES, 9), "x must have all its values"),
    ],
)
def test_what_is_no_image(x, message):
    with pytest.raises(tl.UsageError, match=message):
        convert(x=x)


class OnADevice:
    """A tensor of a library that does not hand it to NumPy."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("call detach first")


def test_what_another_library_says():
    with pytest.raises(tl.UsageError, match=r"x must be an array.* OnADevice: call detach first"):
        convert(x=OnADevice())
