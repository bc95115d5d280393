"""Backbones by name and from files; their preprocessing; what is wrong with them."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import tl_strategies as tl
from tl_strategies.backbones import efficientnet_lite0, zoo
from tl_strategies.backbones.names import BUNDLED, UNTRAINED, backbone_names
from tl_strategies.backbones.zoo import _applications, load_backbone
from tl_strategies.data.sources import unpack_clipart
from tl_strategies.testing import tiny_backbone

# ImageNet's classes from accordion to violin
INSTRUMENTS = (
    *(401, 402, 420, 432, 486, 494, 513, 541, 546, 558, 566, 577, 579, 593, 594, 641, 642, 683),
    *(684, 687, 776, 822, 875, 881, 889),
)


def test_names_are_those_of_keras():
    assert backbone_names() == [BUNDLED, *UNTRAINED, *sorted(_applications())]


@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2", "densenet121", "efficientnetb0"])
def test_preprocessing_is_inside(name, tmp_path):
    """One network of each family: BGR means, [-1, 1], ImageNet's moments, its own layers."""
    model = load_backbone(name, "none", 64)
    build, preprocess = _applications()[name]
    plain = build(weights=None, include_top=False, input_shape=(64, 64, 3))
    plain.set_weights(model.get_weights())
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    expected = plain(preprocess(images.copy()), training=False)
    np.testing.assert_allclose(model(images, training=False), expected, atol=1e-5)
    first = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    front = keras.Model(model.inputs[0], first.output)
    front.save(tmp_path / "front.keras")
    again = load_backbone(str(tmp_path / "front.keras"))
    np.testing.assert_array_equal(again(images), front(images))


def test_the_bundled_weights_know_imagenet():
    model = efficientnet_lite0.build(224, include_top=True)
    efficientnet_lite0.load_imagenet(model)
    assert model.count_params() == 4_694_024
    assert efficientnet_lite0.WEIGHTS.stat().st_size < 10e6
    images = []
    for path in sorted((unpack_clipart() / "music").iterdir())[:24]:
        drawn = Image.open(path).convert("RGBA")
        drawn = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn)
        images.append(np.asarray(drawn.convert("RGB").resize((224, 224)), "float32"))
    probabilities = model.predict(np.stack(images), verbose=0)
    assert probabilities.shape == (24, 1000)
    assert probabilities[:, INSTRUMENTS].sum(axis=1).mean() > 0.1  # by chance: 0.025


def test_no_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: (_ for _ in ()).throw(OSError("off")))
    with pytest.raises(tl.UsageError, match="--weights FILE"):
        load_backbone("mobilenetv2")


@pytest.mark.parametrize(
    ("image_size", "error", "message"),
    [
        (64, ValueError("The file hash does not match."), "must arrive whole"),
        (64, OSError("truncated file"), "must arrive whole"),
        (16, None, "--image_size does not fit mobilenetv2. Received: 16"),
    ],
)
def test_broken_weights_are_told_from_a_wrong_size(image_size, error, message, monkeypatch):
    """Whatever words Keras has for it."""
    build = keras.applications.MobileNetV2

    def broken(weights, **others):
        network = build(weights=None, **others)
        if weights:
            raise error
        return network

    monkeypatch.setattr(zoo, "_applications", lambda: {"mobilenetv2": (broken, lambda x: x)})
    with pytest.raises(tl.UsageError, match=message):
        load_backbone("mobilenetv2", "imagenet", image_size)


def test_wrong_names_sizes_and_files(tmp_path):
    text = tmp_path / "text.keras"
    text.write_text("no model")
    (tmp_path / "old.h5").write_text("")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("something", "else")
    wrong = [
        (("resnet5",), "Did you mean 'resnet50'"),
        (("inceptionv3", "none", 32), "--image_size does not fit inceptionv3"),
        (("efficientnet_lite0", "none", 8), "--image_size must be at least 32"),
        (("resnet50", str(tmp_path / "none.h5")), "--weights must be imagenet, none or a file"),
        ((str(tmp_path / "none.keras"),), "does not exist"),
        ((str(text),), "must be a Keras model file"),
        ((str(tmp_path / "other.keras"),), "without config.json"),
        ((str(tmp_path / "old.h5"),), "must end in .keras"),
        (("somewhere/model.onnx",), "must end in .keras"),
        (("resnet50", str(text.with_suffix(".txt"))), "must be imagenet, none or a file"),
        (("efficientnet_lite0", str(text)), "must be a Keras model file"),
    ]
    for arguments, message in wrong:
        with pytest.raises(tl.UsageError, match=message):
            load_backbone(*arguments)


def test_weights_of_another_architecture(tmp_path):
    tiny_backbone().save_weights(tmp_path / "tiny.weights.h5")
    tiny_backbone().save(tmp_path / "tiny.keras")
    for name in ("tiny.weights.h5", "tiny.keras"):
        with pytest.raises(tl.UsageError, match="must be of the architecture"):
            load_backbone("efficientnet_lite0", str(tmp_path / name), 32)


@pytest.mark.parametrize("name", ["own.weights.h5", "own.keras"])
def test_weights_from_a_file(tmp_path, name):
    source = load_backbone("efficientnet_lite0", "imagenet", 32)
    save = source.save if name.endswith(".keras") else source.save_weights
    save(tmp_path / name)
    model = load_backbone("efficientnet_lite0", str(tmp_path / name), 32)
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_keras_file_loses_its_classifier(tmp_path):
    body = tiny_backbone()
    x = layers.GlobalAveragePooling2D()(body.output)
    x = layers.Dropout(0.2)(x)
    keras.Model(body.input, layers.Dense(5, "softmax")(x)).save(tmp_path / "mine.keras")
    model = load_backbone(str(tmp_path / "mine.keras"))
    assert model.layers[-1].name == "top_relu"
    fresh = load_backbone(str(tmp_path / "mine.keras"), "none")
    assert not np.array_equal(fresh.weights[0], model.weights[0])
    with pytest.raises(tl.UsageError, match="--image_size must be 16"):
        load_backbone(str(tmp_path / "mine.keras"), image_size=32)


@pytest.mark.parametrize(
    ("shape", "given", "size"),
    [
        ((None, None, 3), None, 224),
        ((None, None, 3), 48, 48),
        ((None, 48, 3), None, 48),
        ((48, None, 3), 48, 48),
        ((None, 48, 1), None, 48),
    ],
)
def test_a_file_for_images_of_any_size(tmp_path, shape, given, size):
    """What is known of the size is kept."""
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, strides=8, name="one")(image)
    keras.Model(image, layers.GlobalAveragePooling2D()(x)).save(tmp_path / "any.keras")
    model = load_backbone(str(tmp_path / "any.keras"), image_size=given)
    assert model.input_shape == (None, size, size, 3)
    if given is None and 48 in shape:
        with pytest.raises(tl.UsageError, match="--image_size must be 48"):
            load_backbone(str(tmp_path / "any.keras"), image_size=64)


@pytest.mark.parametrize("shape", [(16, 16, 4), (12,)])
def test_a_file_for_something_else(tmp_path, shape):
    image = keras.Input(shape)
    keras.Model(image, layers.Dense(2)(image)).save(tmp_path / "other.keras")
    with pytest.raises(tl.UsageError, match="--backbone must take"):
        load_backbone(str(tmp_path / "other.keras"))


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("efficientnet_lite0", (64, 96), (64, 96)),
        ("caffenet_mini", (28, 40), (28, 40)),
        ("mobilenetv2", (32, 64), (32, 64)),
        ("wide.keras", None, (16, 24)),
    ],
)
def test_images_that_are_not_square(tmp_path, monkeypatch, name, size, shape):
    monkeypatch.chdir(tmp_path)
    image = keras.Input((16, 24, 3))
    keras.Model(image, layers.Conv2D(4, 3)(image)).save("wide.keras")
    weights = "imagenet" if name == "wide.keras" else "none"
    assert load_backbone(name, weights, size).input_shape == (None, *shape, 3)


def test_a_sequential_file(tmp_path):
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(4, 3, name="one")])
    model.add(layers.Flatten())
    model.add(layers.Dense(2, "softmax"))
    model.save(tmp_path / "mine.keras")
    assert [unit.name for unit in tl.find_units(load_backbone(str(tmp_path / "mine.keras")))] == [
        "one"
    ]
