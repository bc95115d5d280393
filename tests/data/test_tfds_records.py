"""Data sets of TFDS: prepared ones, mocked ones, and what is said where they cannot be had."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

import tl_strategies as tl
from tl_strategies.data import tfds_records
from tl_strategies.data.sources import list_dataset
from tl_strategies.data.tfds_records import list_tfds


class TinyPictures(tfds.core.GeneratorBasedBuilder):
    """Pictures of three brightnesses; its test part may lack labels."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="plain", version="1.0.0"),
        tfds.core.BuilderConfig(name="unlabelled", version="1.0.0"),
    ]

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 1)),
            "label": tfds.features.ClassLabel(names=["dark", "gray", "light"]),
            "id": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager):
        return {"train": self._generate_examples(0), "test": self._generate_examples(1)}

    def _generate_examples(self, test):
        rng = np.random.default_rng(test)
        for i in range(30):
            pixels = rng.integers(0, 60, (12, 12 + i % 2, 1)) + 90 * (i % 3)
            hidden = test and self.builder_config.name == "unlabelled"
            label = -1 if hidden else i % 3
            yield i, {"image": pixels.astype("uint8"), "label": label, "id": str(i)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tfds")
    for config in ("plain", "unlabelled"):
        TinyPictures(config=config, data_dir=directory).download_and_prepare()
    return directory


@pytest.fixture
def prepared(pictures, monkeypatch):
    """TFDS finds the builder by its name, and what is prepared in the directory."""
    monkeypatch.setattr(
        tfds,
        "builder",
        lambda name: TinyPictures(config=name.partition("/")[2] or "plain", data_dir=pictures),
    )


@pytest.mark.usefixtures("prepared")
def test_a_prepared_data_set():
    listing = list_dataset("tfds:tiny_pictures")
    assert listing.task == tl.Task(("dark", "gray", "light"))
    assert [int(np.sum(listing.parts == part)) for part in ("train", "test")] == [30, 30]
    assert listing.paths[30] == "test/000000"
    some = list(listing.contents.read(np.array([0, 31, 59])))
    everything = list(listing.contents.read(np.arange(60)))
    assert some == [everything[0], everything[31], everything[59]]


@pytest.mark.usefixtures("prepared")
def test_splits_in_tfds_s_syntax():
    listing = list_dataset(
        "tfds:tiny_pictures",
        {"train": "train[:80%]", "validation": "train[80%:]", "test": "test[:10]"},
    )
    parts = ("train", "validation", "test")
    assert [int(np.sum(listing.parts == part)) for part in parts] == [24, 6, 10]
    with pytest.raises(tl.UsageError, match="one of train, test"):
        list_tfds("tiny_pictures", {"train": "training"})


@pytest.mark.usefixtures("prepared")
def test_a_part_without_labels_is_not_used():
    listing = list_tfds("tiny_pictures/unlabelled", {})
    assert listing.parts is None
    assert len(listing.paths) == 30
    assert "test is not used" in listing.notes[0]
    with pytest.raises(tl.UsageError, match=r"all labels of test, .* 30 of 30 without"):
        list_tfds("tiny_pictures/unlabelled", {"train": "test", "test": "train"})


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("cache", ["auto", "off"])
def test_fit(backbone, tmp_path, cache):
    run = tl.fit(
        "head",
        dataset="tfds:tiny_pictures",
        backbone=backbone,
        epochs=1,
        run_dir=tmp_path / "run",
        cache_dir=tmp_path / "cache",
        cache=cache,
    )
    assert (run.directory / "predictions.csv").read_text().count(",test,") == 30


def test_several_labels_an_image(monkeypatch):
    monkeypatch.setattr(tfds_records, "_refuse_without_network", lambda builder, name: None)
    with tfds.testing.mock_data(num_examples=8):
        listing = list_tfds("voc/2007", {"train": "train", "test": "test"})
        assert len(list(listing.contents.read(np.arange(16)))) == 16
    assert listing.task.multilabel
    assert listing.task.names[:2] == ("aeroplane", "bicycle")
    assert listing.labels.shape == (16, 20)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashon_mnist", "Did you mean fashion_mnist"),
        ("voc/2099", "NAME/CONFIG:VERSION"),
        ("cifar10", r"must be prepared, or there must be a network(.|\n)*TFDS_DATA_DIR"),
    ],
)
def test_what_cannot_be_had(name, message, monkeypatch, tmp_path):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: (_ for _ in ()).throw(OSError("off")))
    with pytest.raises(tl.UsageError, match=message):
        list_tfds(name, {})
