"""KerasHub's networks, from presets made here."""

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.backbones.zoo import load_backbone

keras_hub = pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A vision transformer of three blocks, and what it gives for images in [-1, 1]."""
    directory = str(tmp_path_factory.mktemp("preset") / "vit")
    vit = keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3),
        patch_size=8,
        num_layers=3,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
    )
    vit.save_to_preset(directory)
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(32, 32), scale=1 / 127.5, offset=-1.0
    )
    converter.save_to_preset(directory)
    return directory, vit


def test_a_unit_is_a_transformer_block(preset):
    directory, vit = preset
    model = load_backbone(f"hub:{directory}")
    names = [unit.name for unit in tl.find_units(model)]
    assert names[1:] == [f"transformer_block_{i}" for i in range(1, 4)]
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(model(images), vit(images / 127.5 - 1), atol=1e-4)


def test_a_transformer_is_fine_tuned(preset, photos, tmp_path):
    run = tl.fit(
        "partial",
        n="transformer_block_2",
        backbone=f"hub:{preset[0]}",
        dataset=f"folder:{photos}",
        epochs=2,
        batch_size=8,
        run_dir=tmp_path / "run",
        cache_dir=tmp_path / "cache",
    )
    assert run.metrics["n"] == 3
    assert run.metrics["features"]["status"] == "miss"
    source = load_backbone(f"hub:{preset[0]}")
    moved = {
        name: any(
            not np.array_equal(*pair)
            for pair in zip(
                source.get_layer(name).get_weights(),
                run.model.get_layer(name).get_weights(),
                strict=True,
            )
        )
        for name in ("vit_patching_and_embedding", "transformer_block_2", "transformer_block_3")
    }
    assert list(moved.values()) == [False, False, True]


def test_a_preset_of_a_convolutional_network(tmp_path):
    resnet = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    resnet.save_to_preset(str(tmp_path / "resnet"))
    model = load_backbone(f"hub:{tmp_path / 'resnet'}", image_size=64)
    assert model.input_shape == (None, 64, 64, 3)
    assert len(tl.find_units(model)) == 3
    images = np.random.default_rng(0).uniform(0, 1, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(model(images), resnet(images), atol=1e-4)
    assert isinstance(model, keras.Model)


def test_what_is_wrong_is_said(tmp_path, monkeypatch):
    with pytest.raises(tl.UsageError, match="must be a preset of KerasHub"):
        load_backbone(f"hub:{tmp_path}")
    monkeypatch.setitem(__import__("sys").modules, "keras_hub", None)
    with pytest.raises(tl.UsageError, match=r"tl-strategies\[hub\]"):
        load_backbone(f"hub:{tmp_path}")
