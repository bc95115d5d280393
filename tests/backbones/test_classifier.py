"""What is taken off a network, and what stays."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import tl_strategies as tl
from tl_strategies.backbones.classifier import below_classifier, ends_in_features
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.testing import tiny_backbone


def mapped(x):
    """Features with several places and a spatial kernel, called `features`."""
    x = layers.Conv2D(6, 3, strides=2, name="conv")(x)
    return layers.ReLU(name="features")(x)


def pooled(x):
    return layers.GlobalAveragePooling2D()(mapped(x))


def convolved(x, activation=None):
    """As MobileNet ends: a convolution on one place."""
    x = layers.GlobalAveragePooling2D(keepdims=True)(mapped(x))
    x = layers.Conv2D(5, 1, activation=activation)(layers.Dropout(0.1)(x))
    return layers.Reshape((5,))(x)


def squeezed(x, activation):
    """As SqueezeNet ends: a convolution on the map, and its pooling."""
    x = activation(layers.Conv2D(5, 1)(layers.Dropout(0.5)(mapped(x))))
    return layers.Softmax()(layers.GlobalAveragePooling2D()(x))


def heads(x, merge, activation, hidden=False):
    parts = []
    for _ in range(2):
        part = layers.Dense(7, "relu")(x) if hidden else x
        parts.append(layers.Dense(5, activation)(part))
    return merge(parts)


def supervised_twice(x):
    """The head of a middle layer too, as deep supervision has it."""
    middle = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    first = layers.Dense(5)(layers.GlobalAveragePooling2D()(middle))
    return layers.Softmax()((first + layers.Dense(5)(pooled(middle))) / 2)


@keras.saving.register_keras_serializable("tests")
class Temperature(layers.Layer):
    def build(self, shape):
        self.temperature = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x / self.temperature


CLASSIFIERS = {
    "softmax": lambda x: layers.Dense(5, "softmax")(pooled(x)),
    "sigmoid": lambda x: layers.Dense(1, "sigmoid")(pooled(x)),
    "logits": lambda x: layers.Dense(5)(pooled(x)),
    "softmax as a layer": lambda x: layers.Softmax()(layers.Dense(5)(pooled(x))),
    "softmax as an operation": lambda x: ops.softmax(layers.Dense(5)(pooled(x))),
    "log_softmax": lambda x: ops.log_softmax(layers.Dense(5)(pooled(x))),
    "float32 at the end": lambda x: layers.Activation("linear", dtype="float32")(
        layers.Dense(5)(pooled(x))
    ),
    "flatten": lambda x: layers.Dense(5, "softmax")(layers.Flatten()(mapped(x))),
    "reshape": lambda x: layers.Dense(5)(layers.Reshape((-1,))(mapped(x))),
    "mean": lambda x: layers.Dense(5, "softmax")(ops.mean(mapped(x), axis=(1, 2))),
    "average pooling": lambda x: layers.Dense(5)(
        layers.Flatten()(layers.AveragePooling2D(7)(mapped(x)))
    ),
    "noise": lambda x: layers.Dense(5)(layers.Dropout(0.1)(layers.GaussianNoise(0.1)(pooled(x)))),
    "mobilenet": lambda x: layers.Activation("softmax")(convolved(x)),
    "mobilenet's logits": convolved,
    "mobilenet at once": lambda x: convolved(x, "softmax"),
    "squeezenet": lambda x: squeezed(x, layers.ReLU()),
    "squeezenet with PReLU": lambda x: squeezed(x, layers.PReLU()),
    "a map of scores": lambda x: layers.Conv2D(5, 1, activation="softmax")(mapped(x)),
    "temperature": lambda x: layers.Softmax()(Temperature()(layers.Dense(5)(pooled(x)))),
    "divided": lambda x: ops.softmax(layers.Dense(5)(pooled(x)) / 2.5),
    "rescaled logits": lambda x: layers.Rescaling(0.4)(layers.Dense(5)(pooled(x))),
    "normalized": lambda x: layers.Softmax()(
        layers.BatchNormalization()(layers.Dense(5)(pooled(x)))
    ),
    "dropped": lambda x: layers.Softmax()(layers.Dropout(0.1)(layers.Dense(5)(pooled(x)))),
    "average": lambda x: heads(pooled(x), layers.Average(), "softmax"),
    "average of logits": lambda x: layers.Softmax()(heads(pooled(x), layers.Average(), None)),
    "half the sum": lambda x: heads(pooled(x), lambda parts: sum(parts) / 2, "softmax"),
    "weighted": lambda x: heads(pooled(x), lambda p: 0.3 * p[0] + 0.7 * p[1], "softmax"),
    "mean of a stack": lambda x: heads(
        pooled(x), lambda parts: ops.mean(ops.stack(parts, 1), axis=1), "sigmoid"
    ),
    "concatenated": lambda x: heads(pooled(x), layers.Concatenate(), "softmax"),
    "hidden layers of their own": lambda x: heads(pooled(x), layers.Average(), "softmax", True),
    "two outputs of one": lambda x: layers.Concatenate()([p := layers.Dense(1)(pooled(x)), -1 * p]),
    "deep supervision": supervised_twice,
    "nested": lambda x: keras.Sequential(
        [layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(5, "softmax")]
    )(mapped(x)),
}


def saved(head, path):
    image = keras.Input((16, 16, 3))
    keras.Model(image, head(image)).save(path)
    return str(path)


def last(model):
    return model.outputs[0]._keras_history.operation.name


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifier_goes_with_its_pooling(kind, tmp_path, capsys):
    path = saved(CLASSIFIERS[kind], tmp_path / "mine.keras")
    assert last(load_backbone(path)) == "features"
    assert capsys.readouterr().err == ""


def hidden(x):
    return layers.Dense(7, "relu", name="hidden")(layers.Flatten()(mapped(x)))


def tokens(x):
    x = layers.Reshape((-1, 6))(mapped(x))
    return layers.Dense(6, name="tokens")(x)


STAYS = {
    "hidden": lambda x: layers.Dense(5, "softmax")(layers.Dropout(0.5)(hidden(x))),
    "hidden_conv": lambda x: layers.Softmax()(
        layers.Flatten()(
            layers.Conv2D(5, 1)(
                layers.Conv2D(8, 1, activation="relu", name="hidden_conv")(
                    layers.GlobalAveragePooling2D(keepdims=True)(mapped(x))
                )
            )
        )
    ),
    "norm": lambda x: layers.Dense(5)(layers.LayerNormalization(name="norm")(pooled(x))),
    "tokens": lambda x: layers.Dense(5)(layers.GlobalAveragePooling1D()(tokens(x))),
    "get_item": lambda x: layers.Dense(5)(tokens(x)[:, 0]),
}


@pytest.mark.parametrize("kind", STAYS)
def test_what_is_below_the_last_kernel_and_its_pooling_stays(kind, tmp_path):
    name = last(load_backbone(saved(STAYS[kind], tmp_path / "mine.keras")))
    assert name.startswith(kind)


def gated(x):
    x = mapped(x)
    gate = layers.Dense(6, "sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, gate])


def attended(x):
    x = tokens(x)
    return ops.sum(layers.Softmax(axis=1)(layers.Dense(1)(x)) * x, axis=1)


FEATURES = {
    "a map": mapped,
    "a linear map": lambda x: layers.Conv2D(4, 1)(mapped(x)),
    "one place": lambda x: layers.Conv2D(4, 7)(mapped(x)),
    "a residual block": lambda x: layers.Add()([y := mapped(x), layers.Conv2D(6, 1)(y)]),
    "a gate": gated,
    "tokens": tokens,
    "pooling": pooled,
    "flattened": lambda x: layers.Flatten()(mapped(x)),
    "normalized pooling": lambda x: layers.LayerNormalization()(pooled(x)),
    "scores without a softmax": lambda x: layers.GlobalMaxPooling2D()(layers.Conv2D(5, 1)(x)),
}
DOUBTFUL = {
    "a hidden layer": lambda x: layers.Dropout(0.5)(hidden(x)),
    "an embedding": lambda x: layers.UnitNormalization()(layers.Dense(8)(pooled(x))),
    "a normalized embedding": lambda x: layers.BatchNormalization()(layers.Dense(8)(pooled(x))),
    "a gated embedding": lambda x: heads(pooled(x), layers.Multiply(), "sigmoid"),
    "attention": attended,
    "two networks": lambda x: layers.Average()(
        [
            layers.Dense(5, "softmax")(pooled(x)),
            layers.Dense(5, "softmax")(layers.Flatten()(layers.Conv2D(4, 3, 4)(x))),
        ]
    ),
    "a residual map of scores": lambda x: layers.Softmax()(
        layers.GlobalAveragePooling2D()(layers.Add()([y := mapped(x), layers.Conv2D(6, 1)(y)]))
    ),
    "a choice": lambda x: ops.argmax(layers.Dense(5)(pooled(x)), keepdims=True),
}


@pytest.mark.parametrize("kind", [*FEATURES, *DOUBTFUL])
def test_a_network_without_a_classifier_loses_nothing(kind):
    """Where one might have been meant, that is said."""
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, (FEATURES | DOUBTFUL)[kind](image))
    assert below_classifier(model) is None
    assert ends_in_features(model) == (kind in FEATURES)


def test_doubt_is_said_and_can_be_ended(tmp_path, capsys):
    path = saved(DOUBTFUL["a hidden layer"], tmp_path / "mine.keras")
    whole = load_backbone(path)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "nothing was taken off" in said.err
    assert "--top LAYER" in said.err
    assert "--keep_top" in said.err
    assert last(load_backbone(path, keep_top=True)) == last(whole)
    assert last(load_backbone(path, top="conv")) == "conv"
    assert capsys.readouterr().err == ""


def test_the_layer_that_is_chosen_must_be_one(tmp_path):
    path = saved(CLASSIFIERS["nested"], tmp_path / "mine.keras")
    assert last(load_backbone(path, top="features")) == "features"
    with pytest.raises(tl.UsageError, match=r"--top must be .*nearest: features,"):
        load_backbone(path, top="featuers")
    with pytest.raises(tl.UsageError, match="--keep_top must come without --top"):
        load_backbone(path, top="conv", keep_top=True)
    with pytest.raises(tl.UsageError, match="--top must come with"):
        load_backbone("resnet50", "none", top="conv1_conv")


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small", "ResNet50V2", "ConvNeXtTiny"])
def test_networks_of_keras_without_their_tops_lose_nothing(name, tmp_path, capsys):
    """At 32 px some end in maps of one place."""
    build = getattr(keras.applications, name)
    model = build(weights=None, include_top=False, input_shape=(32, 32, 3))
    pool = layers.GlobalAveragePooling2D(name="avg_pool")  # as `pooling="avg"` does
    for whole in (model, keras.Model(model.inputs, pool(model.outputs[0]))):
        assert below_classifier(whole) is None
        assert ends_in_features(whole)
        if name == "MobileNet":
            whole.save(tmp_path / "mine.keras")
            backbone = load_backbone(str(tmp_path / "mine.keras"))
            assert backbone.output_shape == whole.output_shape
            assert backbone.count_params() == whole.count_params()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("strategy", ["add_fc", "head"])
def test_the_whole_head_of_a_run_goes(strategy, tmp_path):
    adapted = tl.get_strategy(strategy)().adapt(tiny_backbone(), tl.Task(("a", "b")))
    adapted.save(tmp_path / "mine.keras")
    assert last(load_backbone(str(tmp_path / "mine.keras"))) == "top_relu"


def test_features_must_be_such(tmp_path):
    image = keras.Input((16, 16, 3))
    keras.Model(image, layers.Reshape((2, 7, 7, 3))(mapped(image))).save(tmp_path / "five.keras")
    with pytest.raises(tl.UsageError, match=r"must end in features of shape .*--top LAYER"):
        load_backbone(str(tmp_path / "five.keras"))
    model = load_backbone(str(tmp_path / "five.keras"), top="features")
    assert np.isfinite(model(np.zeros((1, 16, 16, 3)))).all()
