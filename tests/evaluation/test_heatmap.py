"""Heat maps have the values that theory gives, and lie where in the image the thing is."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image, ImageOps

import tl_strategies as tl
from tl_strategies.evaluation.heatmap import SIDE, Explainer, make_explain, save_heatmap
from tl_strategies.evaluation.predict import Predictor

LABELS = ("red", "other")


def network(head, size=(8, 6), channels=5):
    """Random features of half the size, and a head on them."""
    inputs = keras.Input((*size, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(channels, 3, padding="same", activation="relu", name="low")(x)
    wide = keras.initializers.RandomNormal(stddev=0.5)  # so that places differ
    x = layers.Conv2D(channels, 2, 2, activation="tanh", kernel_initializer=wide, name="top")(x)
    return keras.Model(inputs, head(x))


def linear(activation="softmax", unit_length=False, labels=4):
    def head(x):
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.UnitNormalization()(x) if unit_length else x
        dense = layers.Dense(labels, activation, bias_initializer="normal", name="head")
        return dense(layers.Dropout(0.5)(x))

    return head


def images(count=6, size=(8, 6)):
    return np.random.default_rng(0).uniform(0, 255, (count, *size, 3)).astype("float32")


def features_of(model):
    return keras.Model(model.inputs[0], model.get_layer("top").output)(images()).numpy()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("unit_length", [False, True])
def test_of_a_linear_head_the_mean_and_the_bias_are_the_score(activation, unit_length):
    """That is what makes a class activation map exact: it shares the score out over places."""
    model = network(linear(activation, unit_length))
    probabilities, maps = (tensor.numpy() for tensor in make_explain(model)(images()))
    np.testing.assert_allclose(probabilities, model(images()).numpy(), rtol=1e-5)
    kernel, bias = model.get_layer("head").get_weights()
    pooled = features_of(model).mean((1, 2))
    if unit_length:
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    label = probabilities.argmax(1)
    scores = (pooled @ kernel + bias)[range(6), label]
    assert maps.shape == (6, 4, 3)
    assert maps.std(axis=(1, 2)).min() > 1e-3
    np.testing.assert_allclose(maps.mean((1, 2)) + bias[label], scores, atol=1e-5)
    scale = np.linalg.norm(features_of(model).mean((1, 2)), axis=1) if unit_length else np.ones(6)
    expected = np.einsum("bhwk,bk->bhw", features_of(model), kernel.T[label] / scale[:, None])
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_grad_cam_of_a_linear_head_is_what_is_positive_in_its_class_activation_map(
    seed, activation
):
    keras.utils.set_random_seed(seed)
    model = network(linear(activation))
    maps, gradients = (make_explain(model, unit)(images())[1].numpy() for unit in (None, "top"))
    assert (maps < 0).any()
    np.testing.assert_allclose(gradients * 12, np.maximum(maps, 0), atol=1e-5)


def softmax_after(x):
    return layers.Activation("softmax")(layers.Dense(4, name="last")(x))


def softmax_layer_after(x):
    return layers.Softmax()(layers.Dense(4, name="last")(x))


@pytest.mark.parametrize(
    "end", [layers.Dense(4, "softmax", name="last"), softmax_after, softmax_layer_after]
)
def test_grad_cam_of_hidden_layers_is_the_mean_gradient_of_the_score(end):
    """Of the score before softmax, whose gradient is not that of the probability."""

    def head(x):
        x = layers.GlobalAveragePooling2D()(x)
        return end(layers.Dense(7, "relu", name="hidden", bias_initializer="normal")(x))

    model = network(head)
    probabilities, maps = (tensor.numpy() for tensor in make_explain(model)(images()))
    features = features_of(model)
    kernel, bias = model.get_layer("hidden").get_weights()
    active = features.mean((1, 2)) @ kernel + bias > 0
    chosen = model.get_layer("last").get_weights()[0].T[probabilities.argmax(1)]
    gradient = (active * chosen) @ kernel.T / 12
    expected = np.maximum(np.einsum("bhwk,bk->bhw", features, gradient), 0)
    assert expected.max() > 0
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_of_a_head_that_ends_in_something_else_the_logarithm_is_the_score():
    def head(x):
        return layers.Average()([linear()(x)] * 2)

    model = network(head)
    probabilities, maps = (tensor.numpy() for tensor in make_explain(model)(images()))
    kernel = model.get_layer("head").get_weights()[0].T
    gradient = (kernel[probabilities.argmax(1)] - probabilities @ kernel) / 12
    expected = np.maximum(np.einsum("bhwk,bk->bhw", features_of(model), gradient), 0)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_units_by_name_and_depth():
    model = network(linear())
    for name, depth, shape in (("low", 1, (8, 6)), ("top", 2, (4, 3)), ("low", -1, (8, 6))):
        by_name, by_depth = (make_explain(model, unit)(images())[1] for unit in (name, depth))
        assert by_name.shape == (6, *shape)
        np.testing.assert_array_equal(by_name, by_depth)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("lov", "must be one of low, top. Received: lov. Did you mean 'low'"),
        (3, "must be from 0 to 2, the number of units"),
        ("0", "its depth from 1 on. Received: 0"),
    ],
)
def test_units_that_are_none(unit, message):
    """The head is none, though it has weights: there no place of the image is left."""
    with pytest.raises(tl.UsageError, match=message):
        make_explain(network(linear()), unit)


def test_one_place_is_no_map():
    """The place before it is shown; where only the image itself has places, there is no map."""
    model = network(lambda x: linear()(layers.Conv2D(5, (4, 3), activation="relu")(x)))
    assert make_explain(model)(images())[1].shape == (6, 4, 3)

    def patches(x):
        return layers.Dense(4, "softmax")(layers.Flatten()(x))

    inputs = keras.Input((8, 6, 3))
    model = keras.Model(inputs, patches(layers.Conv2D(5, (8, 6))(layers.Rescaling(1)(inputs))))
    with pytest.raises(tl.UsageError, match="a network without any"):
        make_explain(model)


# Places.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a model, of images that are not square, that knows red when it sees it."""
    inputs = keras.Input((96, 128, 3))
    red = layers.Conv2D(1, 1, use_bias=False, activation="relu")
    x = layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(red(inputs)))
    softmax = layers.Dense(2, "softmax")
    model = keras.Model(inputs, softmax(x))
    red.set_weights([np.reshape([1.0, -1.0, -1.0], (1, 1, 3, 1)) / 255])
    softmax.set_weights([np.array([[9.0, 0.0]]), np.array([0.0, 0.01])])
    directory = tmp_path_factory.mktemp("red")
    model.save(directory / "model.keras")
    (directory / "labels.txt").write_text("red\nother\n")
    (directory / "plan.json").write_text(json.dumps({"head": {"multilabel": False}}))
    return directory


def photo(path, width, height, orientation=1):
    """A gray photo with a red square off its middle, as a camera that was turned saves it."""
    side = min(width, height) // 3
    pixels = np.full((height, width, 3), 128, "uint8")
    pixels[height // 10 :][:side, width // 8 :][:, :side] = (250, 10, 10)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    return str(path)


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
@pytest.mark.parametrize("size", [(40, 130), (130, 40), (60, 60), (64, 48), (1300, 700)])
def test_a_map_lies_on_the_thing(run, tmp_path, size, orientation):
    path = photo(tmp_path / "a.jpg", *size, orientation)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    upright.thumbnail((SIDE, SIDE))
    pixels = np.asarray(upright, int)
    (heat,) = Explainer(Predictor([run])).stream([path])
    assert heat.label == "red"
    assert heat.values.dtype == np.float32
    assert heat.values.shape == heat.image.shape[:2] == heat.overlay().shape[:2] == pixels.shape[:2]
    assert np.abs(heat.image.astype(int) - pixels).mean() < 3
    thing, seen = pixels[..., 0] - pixels[..., 1] > 120, heat.values > heat.values.max() / 2
    assert thing[np.unravel_index(heat.values.argmax(), thing.shape)]
    assert (thing & seen).sum() / (thing | seen).sum() > 0.6


def test_an_overlay_is_bright_where_the_map_is_high(run, tmp_path):
    (heat,) = Explainer(Predictor([run])).stream([photo(tmp_path / "a.png", 90, 60)])
    light = heat.overlay().mean(axis=2)
    assert light[heat.values > 0.9 * heat.values.max()].min() > 1.3 * light[heat.values <= 0].max()


def test_bad_images_stand_alone(run, tmp_path):
    paths = [photo(tmp_path / f"{i}.png", 20 + i, 30) for i in range(20)]
    paths[3] = paths[17] = str(tmp_path / "absent.png")
    found = list(Explainer(Predictor([run])).stream(iter(paths)))
    assert [i for i, heat in enumerate(found) if isinstance(heat, str)] == [3, 17]
    for i in {*range(20)} - {3, 17}:
        assert found[i].values.shape == (30, 20 + i)


def test_nothing_is_overwritten(run, tmp_path):
    """Not what is there, not a map of another image of that name; the same map is not repeated."""
    names = ("a/x.jpg", "b/x.jpg", f"{'é' * 120}.png", "c.tar.png", "caf\udce9.jpg")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "c.tar.npz").write_text("mine")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo(tmp_path / name, 20 + len(name), 30)
    for _ in range(2):
        paths = [str(tmp_path / name) for name in names]
        explained = Explainer(Predictor([run])).stream(iter(paths))
        for path, heat in zip(paths, explained, strict=True):
            save_heatmap(heat, path, tmp_path / "maps")
    files = {path.name for path in (tmp_path / "maps").iterdir()}
    stems = ["x", "x-2", "é" * 75, "c.tar-2", "caf\udce9"]
    assert files == {"c.tar.npz", *(f"{stem}{kind}" for stem in stems for kind in (".png", ".npz"))}
    assert (tmp_path / "maps" / "c.tar.npz").read_text() == "mine"
    for name, stem in zip(names, stems, strict=True):
        with np.load(tmp_path / "maps" / f"{stem}.npz") as arrays:
            assert arrays["path"] == str(tmp_path / name)
            assert arrays["map"].shape == (30, 20 + len(name))
            assert (arrays["label"], arrays["probability"] > 0.5) == ("red", True)
        with Image.open(tmp_path / "maps" / f"{stem}.png") as picture:
            assert picture.size == (20 + len(name), 30)
            assert picture.text == {"Software": "tl-strategies"}
