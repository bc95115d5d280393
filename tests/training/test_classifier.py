"""Fitted classifiers: their Keras models score as scikit-learn does; choices are made apart."""

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

import tl_strategies as tl
from tl_strategies.backbones.units import find_units, unit_output
from tl_strategies.plans.model import build_model, plain_model
from tl_strategies.strategies.frozen import CLASSIFIERS, POOLING
from tl_strategies.testing import TASK, tiny_backbone
from tl_strategies.training import classifier, linear
from tl_strategies.training.classifier import PENALTIES, fit_classifier, score, temperature
from tl_strategies.training.nearest import VOTE
from tl_strategies.training.space import Sample, spanned, standard_space

LINEAR = [name for name in CLASSIFIERS if name != "knn"]


def images(count, seed):
    """Pictures of which a colour is brighter, and their labels."""
    labels = np.arange(count) % 3
    pictures = np.random.default_rng(seed).uniform(0, 150, (count, 16, 16, 3))
    pictures[np.arange(count), ..., labels] += 40
    return pictures.astype("float32"), labels


def samples(codes, labels):
    """Training and validation images, two to one."""
    weights = np.ones(len(codes), "float32")
    return [Sample(codes[own], labels[own], weights[own]) for own in (slice(40), slice(40, 60))]


def several(labels):
    return np.stack([labels == 0, labels >= 1, labels == 2], axis=1)


def fitted(strategy, multilabel):
    """The model of a strategy with its classifier fitted, what it was fitted on, and the codes."""
    keras.utils.set_random_seed(0)
    backbone = tiny_backbone()
    units = find_units(backbone)
    plan = strategy.plan(units, tl.Task(TASK.names, multilabel))
    model = build_model(plan, backbone, units)
    pictures, labels = images(60, 0)
    labels = several(labels) if multilabel else labels
    codes = run(keras.Model(model.inputs[0], model.layers[-1].input), pictures)
    train, validation = samples(codes, labels)
    _, last = fit_classifier(plan.head, train, validation, 0)
    outputs = [unit_output(backbone, units[i - 1]) for i in plan.head.units or (len(plan.units),)]
    maps = [run(keras.Model(backbone.inputs[0], tensor), pictures) for tensor in outputs]
    return plain_model(last.install(model)), last, maps, labels


def run(model, pictures):
    return np.asarray(model(pictures, training=False))


def pooled(pooling, maps):
    """A unit's codes by numpy."""
    side = maps.shape[1]
    if pooling == "flatten":
        return maps.reshape(len(maps), -1)
    if pooling == "pyramid":
        windows = [
            maps[:, a : a + side // k, b : b + side // k].max(axis=(1, 2))
            for k in (1, 2, 4)
            for a in range(0, side, side // k)
            for b in range(0, side, side // k)
        ]
        return np.hstack(windows)
    found = {"avg": [maps.mean((1, 2))], "max": [maps.max((1, 2))]}
    return np.hstack(found.get(pooling, found["avg"] + found["max"]))


def expected(strategy, last, maps, labels):
    """Probabilities of scikit-learn's pipeline, at the C or the number that was chosen."""
    parts = [pooled(strategy.pooling, unit) for unit in maps]
    parts = [np.sign(part) * np.abs(part) ** strategy.power for part in parts]
    parts = [normalize(part) if strategy.unit_length else part for part in parts]
    codes, train = np.hstack(parts), slice(40)
    if strategy.standardize:
        space = standard_space(codes[train])
        codes = (codes - codes[train].mean(0)) / codes[train].std(0) / np.sqrt(codes.shape[1])
        codes = codes[:, space.used]
    fit = slice(60) if strategy.refit else train
    if strategy.classifier == "knn":
        model = NearestNeighbors(n_neighbors=last.choice, metric="cosine").fit(codes[fit])
        distances, rows = model.kneighbors(codes)
        votes = np.exp(-distances / VOTE)[..., None]
        targets = labels[fit] if labels.ndim == 2 else np.eye(3)[labels[fit]]
        return (votes * targets[rows]).sum(1) / votes.sum(1)

    def scores(fit):
        if strategy.classifier == "ridge":
            targets = 2.0 * (labels if labels.ndim == 2 else np.eye(3)[labels]) - 1
            return Ridge(1 / last.choice).fit(codes[fit], targets[fit]).predict(codes)
        kinds = {"linear_svm": LinearSVC, "logistic_regression": LogisticRegression}
        columns = labels.T if labels.ndim == 2 else [labels]
        make, options = (
            kinds[strategy.classifier],
            {"max_iter": 20000, "random_state": 0, "tol": linear.TOLERANCE},
        )
        found = [
            make(C=last.choice, **options).fit(codes[fit], own[fit]).decision_function(codes)
            for own in columns
        ]
        return np.stack(found, axis=1) if labels.ndim == 2 else found[0]

    factor = 1.0
    if strategy.classifier != "logistic_regression":
        factor, _ = temperature(scores(train)[40:], labels[40:])
    return (expit if labels.ndim == 2 else lambda x: softmax(x, axis=1))(factor * scores(fit))


EVERYTHING = {"units": "all", "power": 0.5, "standardize": True}
OPTIONS = [
    *({"pooling": pooling} for pooling in POOLING),
    {"power": 0.5},
    {"unit_length": False},
    {"standardize": True, "refit": False},
    {"units": (2, "top_conv"), "pooling": "avgmax"},
    EVERYTHING,
]


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(
    ("options", "multilabel"),
    [*((options, False) for options in OPTIONS), (OPTIONS[0], True), (EVERYTHING, True)],
    ids=str,
)
def test_a_model_gives_what_scikit_learn_gives(kind, multilabel, options, monkeypatch):
    monkeypatch.setattr(classifier, "PENALTIES", PENALTIES[20:29])
    exact = 1e-4 if kind == "logistic_regression" else 1e-9  # that in float32 ends where it does
    monkeypatch.setattr(linear, "TOLERANCE", exact)
    strategy = tl.get_strategy("fixed")(classifier=kind, **options)
    model, last, maps, labels = fitted(strategy, multilabel)
    probabilities = run(model, images(60, 0)[0])
    given = expected(strategy, last, maps, labels)
    tolerance = 2e-3 if kind == "logistic_regression" else 1e-4
    np.testing.assert_allclose(probabilities, given, atol=tolerance)
    assert score(probabilities[40:], labels[40:]) > 0.6


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_model_scores_as_its_classifier_does(kind, multilabel, tmp_path, monkeypatch):
    """Also what was chosen by ridge weights or fitted with dropout; and loaded by Keras alone."""
    monkeypatch.setattr(classifier, "PENALTIES", PENALTIES[20:29])
    strategy = tl.get_strategy("fixed")(classifier=kind, units="all", dropout=0.3, select=0.5)
    model, last, _, labels = fitted(strategy, multilabel)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    pictures = images(60, 0)[0]
    codes = keras.Model(model.inputs[0], model.get_layer("head_unit_length").output)
    scores = last.scores(run(codes, pictures))
    if kind != "knn":
        assert (last.kernel == 0).all(axis=1).mean() == pytest.approx(0.5, abs=0.02)
        scores = expit(scores) if multilabel else softmax(scores, axis=1)
    np.testing.assert_allclose(run(loaded, pictures), scores, atol=1e-4)
    assert score(scores[40:], labels[40:]) > 0.6


def noisy(count, seed, values=6, noise=2.0):
    random = np.random.default_rng(seed)
    means = np.random.default_rng(5).normal(size=(3, values))
    labels = np.arange(count) % 3
    codes = (means[labels] + noise * random.normal(size=(count, values))).astype("float32")
    return Sample(codes, labels, np.ones(count, "float32"))


@pytest.mark.parametrize("kind", LINEAR)
def test_the_penalty_is_the_best_of_those_looked_at(kind):
    """On a tie the best probabilities; no value of C between decades near the best is left out."""
    head = tl.get_strategy("fixed")(classifier=kind, refit=False).head(TASK)
    train, validation = noisy(60, 0, 40), noisy(90, 1, 40)
    done = []
    first, last = fit_classifier(head, train, validation, 0, done.append)
    assert first is last or np.array_equal(first.kernel, last.kernel)
    assert done == [*range(1, len(done)), classifier.MOST_FITS]
    fit = classifier.Fit(head, classifier._space(head, train, validation), validation, 0)
    scores = {}
    for each in fit.solve(*fit.project(train), PENALTIES):
        told = each.scores(validation.codes)
        loss = temperature(told, validation.labels)[1]
        scores[each.choice] = score(told, validation.labels), -loss
    decades = [*scores][:: classifier.DECADE]
    at = PENALTIES.index(max(decades, key=scores.get))
    near = PENALTIES[max(0, at - 3) : at + 4]
    best = max(near, key=scores.get)
    if kind == "logistic_regression":  # a warm start ends elsewhere by a hair
        assert scores[first.choice][0] >= scores[best][0] - 0.012
    else:
        assert first.choice == best


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_refitting_learns_from_validation_images_what_was_not_chosen_on_them(kind):
    """The first classifier never saw them, the last one did, with the same choice."""
    fixed = tl.get_strategy("fixed")
    train, validation = noisy(30, 0), noisy(30, 1)
    swapped = validation._replace(labels=(validation.labels + 1) % 3)
    told = [
        fit_classifier(fixed(classifier=kind).head(TASK), train, own, 0)
        for own in (validation, swapped)
    ]
    test = noisy(300, 2)
    right, wrong = ([score(one.scores(test.codes), test.labels) for one in pair] for pair in told)
    assert right[0] > 0.45
    assert right[1] > wrong[1] + 0.1
    for first, last in told:
        assert first.choice == last.choice


def test_values_that_tell_nothing_are_left_out():
    codes, labels = np.random.default_rng(0).normal(size=(90, 30)).astype("float32"), None
    labels = np.arange(90) % 3
    codes[np.arange(90), labels] += 3
    codes[:, 20:] *= 100  # large, and nothing in it
    train, validation = samples(codes[:60], labels[:60])
    head = tl.get_strategy("fixed")(classifier="ridge", select=0.1, unit_length=False).head(TASK)
    _, last = fit_classifier(head, train, validation, 0)
    assert set(np.flatnonzero(last.kernel.any(axis=1))) == {0, 1, 2}
    assert score(last.scores(codes[60:]), labels[60:]) > 0.9


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_the_same_image_again_and_again(kind):
    codes = np.ones((60, 8), "float32")
    for standardize in (False, True):
        strategy = tl.get_strategy("fixed")(classifier=kind, standardize=standardize)
        _, last = fit_classifier(strategy.head(TASK), *samples(codes, np.arange(60) % 3), 0)
        assert np.isfinite(last.scores(codes)).all()


def test_what_is_dropped_has_its_seed():
    head = tl.get_strategy("fixed")(classifier="ridge", dropout=0.5).head(TASK)
    kernels = [
        fit_classifier(head, noisy(30, 0), noisy(30, 1), seed)[1].kernel for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_codes_in_the_space_of_the_training_images_keep_their_products():
    codes = np.random.default_rng(0).normal(size=(60, 300)).astype("float32")
    codes = standard_space(codes).project(codes)
    short, axes = spanned(codes)
    assert short.shape == (60, 60)
    np.testing.assert_allclose(short @ short.T, codes @ codes.T, atol=1e-4)
    np.testing.assert_allclose(codes @ axes, short)
    np.testing.assert_allclose((codes**2).sum(axis=1).mean(), 1, rtol=1e-3)


def test_the_temperature_has_the_lowest_loss():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    scores = rng.normal(size=(200, 3)) + np.eye(3)[labels]

    def loss(scale):
        logits = scale * scores
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        own = logits[np.arange(200), labels]
        return -(201 / 202 * own + 1 / 202 * logits.mean(axis=1)).mean()

    best, lowest = temperature(scores, labels)
    assert lowest == pytest.approx(loss(best))
    assert loss(best) <= min(loss(best * factor) for factor in (0.9, 1.1)) + 1e-9


@pytest.mark.parametrize("count", [6, 60, 600])
def test_of_scores_that_are_all_right_few_give_less_certainty(count):
    labels = np.arange(count) % 3
    factor, _ = temperature(np.eye(3)[labels], labels)
    certain = softmax(factor * np.eye(3)[0])[0]
    assert certain == pytest.approx(1 - 2 / 3 / (count + 2), abs=0.02)
