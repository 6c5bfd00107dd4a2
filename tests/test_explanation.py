"""Explanations point to where, in seconds and hertz, a decision was made to come from."""

import itertools
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import nn

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, UntrainedBackboneWarning
from sklearn_biomoe.datasets import make_event_windows
from sklearn_biomoe.explanation import explain, plot_explanation
from sklearn_biomoe.explanation.grids import Grid
from sklearn_biomoe.explanation.pipeline_trace import AskedWindow, Decision
from sklearn_biomoe.finetuning import TinyBioMoEClassifier
from sklearn_biomoe.fusion import LateFusionClassifier
from sklearn_biomoe.pipelines import find_embedders

RATE = 16
SECONDS = np.arange(0, 60, 1 / RATE)
METHODS = ["occlusion", "gradient"]
ROWS, COLUMNS = 12, 16


class PatchBackbone(nn.Module):
    """Embeds an image as the brightness of 12 x 16 patches, from the top left on."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        grey = images.mean(dim=1, keepdim=True)
        return self.scale * nn.functional.adaptive_avg_pool2d(grey, (ROWS, COLUMNS)).flatten(1)


@pytest.fixture(autouse=True)
def _patches(monkeypatch):
    from sklearn_biomoe import inference
    from sklearn_biomoe.weights import random_weights

    def forget():
        inference.free_engines()
        random_weights.random_sha256.cache_clear()

    monkeypatch.setattr("sklearn_biomoe.weights.random_weights.TinyBioMoE", PatchBackbone)
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UntrainedBackboneWarning)
        yield
    forget()


class Looking(ClassifierMixin, BaseEstimator):
    """Decides for class 1 by the sum of weighted patches."""

    def __init__(self, weights=1.0):
        self.weights = weights

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return X @ np.broadcast_to(self.weights, (ROWS, COLUMNS)).ravel()

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


EDA = {"modality": "eda", "rate": 4, "value_range": "window"}
UPPER_INK = np.repeat([-1.0, 0.0], ROWS // 2)[:, None]


def burst(second, hertz):
    noise = 0.001 * np.random.default_rng(1).standard_normal(SECONDS.size)
    wave = np.sin(2 * np.pi * hertz * SECONDS)
    return (noise + np.exp(-(((SECONDS - second) / 1.5) ** 2)) * wave)[None]


def bump(second):
    times = np.arange(0, 60, 1 / 4)
    return (2 + 2 * np.exp(-((times - second) ** 2) / 8) + 0.01 * np.sin(times))[None]


def embedder(representation, modality="bvp", rate=RATE, **options):
    drawer = BiosignalImageTransformer(
        [representation], sampling_rate=rate, modality=modality, **options
    )
    return make_pipeline(drawer, TinyBioMoEEmbedder("random", cache=None))


def looking(window, representation, weights=1.0, **options):
    windows = np.repeat(window, 2, axis=0)
    return make_pipeline(embedder(representation, **options), Looking(weights)).fit(windows, [0, 1])


def explained(window, representation, weights=1.0, *, method="occlusion", stretch=None, **options):
    pipeline = looking(window, representation, weights, **options)
    (explanation,) = explain(pipeline, window, method=method, target=1, stretch=stretch)
    return explanation


def peak(image):
    row, column = np.unravel_index(image.map.argmax(), image.map.shape)
    hertz = None if image.frequencies is None else image.frequencies[row]
    return image.times[column], hertz


# The place, known from how the signal was made


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("representation", ["spectrogram_psd", "scalogram"])
def test_a_burst_is_found_at_its_second_and_hertz(method, representation):
    second, hertz = 41.0, 3.6
    explanation = explained(burst(second, hertz), representation, method=method)
    (image,) = explanation.images
    at, frequency = peak(image)
    assert abs(at - second) < np.diff(image.time_edges).max()
    row = np.searchsorted(image.frequency_edges, hertz) - 1
    low, high = image.frequency_edges[[max(row - 1, 0), min(row + 2, 8)]]
    assert low < frequency < high
    assert image.times[image.over_time.argmax()] == pytest.approx(at, abs=5)
    assert image.map.max() > 2 * -image.map.min()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("representation", "weights"),
    [
        ("waveform", UPPER_INK),
        ("recurrence", 1.0),
        ("gasf", -1.0),
        ("composite", 1.0),
    ],
)
def test_a_bump_is_found_at_its_second(method, representation, weights):
    second = 44.0
    explanation = explained(bump(second), representation, weights, method=method, **EDA)
    (image,) = explanation.images
    assert image.frequency_edges is None
    assert image.map.shape[0] == 1
    assert abs(peak(image)[0] - second) < 5


@pytest.mark.parametrize("method", METHODS)
def test_what_is_looked_at_is_found_and_not_what_is_there(method):
    """The burst is at 41 s; the decision comes from the patch around 14 s and 1.2 Hz."""
    window = burst(41.0, 3.6) + burst(14.0, 1.2)
    # 3.5 to 56.5 s in 16 columns, 5.0625 to 0.4375 Hz in 12 rows.
    column, row = int((14 - 3.5) / (53 / 16)), int((5.0625 - 1.2) / (4.625 / 12))
    weights = np.zeros((ROWS, COLUMNS))
    weights[row, column] = 1
    (image,) = explained(window, "spectrogram_psd", weights, method=method).images
    at, hertz = peak(image)
    assert abs(at - 14) < 5
    assert abs(hertz - 1.2) < 0.6
    late, high = image.times > 30, image.frequencies > 2.5
    assert np.abs(image.map[np.ix_(high, late)]).max() < 1e-6


def test_tiles_are_explained_at_their_own_times():
    pipeline = make_pipeline(
        embedder("waveform", modality="eda", rate=4, tile_length=20.0), LookingAtTiles()
    )
    pipeline.fit(np.repeat(bump(50.0), 2, axis=0), [0, 1])
    (explanation,) = explain(pipeline, bump(50.0), target=1)
    assert [image.name[-5:] for image in explanation.images] == ["tile0", "tile1", "tile2"]
    starts = [image.time_edges[0] for image in explanation.images]
    assert starts == [0, 20, 40]
    largest = [image.map.max() for image in explanation.images]
    assert np.argmax(largest) == 2
    assert abs(peak(explanation.images[2])[0] - 50) < 2
    assert explanation.images[1].signal_times[[0, -1]].tolist() == [20, 39.75]


class LookingAtTiles(Looking):
    def decision_function(self, X):
        return (X.reshape(len(X), -1, ROWS, COLUMNS) * UPPER_INK).sum(axis=(1, 2, 3))


@pytest.mark.parametrize(("stretch", "n_columns"), [(None, 24), (5.0, 48)])
def test_shorter_stretches_see_finer(stretch, n_columns):
    (image,) = explained(bump(20.0), "waveform", UPPER_INK, stretch=stretch, **EDA).images
    # The curve reaches from 0 to 59.75 s.
    assert abs(image.map.shape[1] - n_columns) <= 1
    assert image.time_edges[[0, -1]].tolist() == [0, 59.75]


# The numbers


def test_occlusion_by_hand():
    """The decision is the sum of patches, so that hiding some takes away what they exceed."""
    window = burst(20.0, 2.0)
    (image,) = explained(window, "spectrogram_psd", stretch=53 / 6).images
    pipeline = looking(window, "spectrogram_psd")
    images = np.asarray(pipeline[0][0].transform(window))[0, 0]
    from scipy.ndimage import gaussian_filter1d

    neutral = images.astype(float)
    for axis in (0, 1):
        neutral = gaussian_filter1d(neutral, 28, axis=axis, mode="mirror", truncate=3.0)
    # What the backbone sums, of pixels: patches of 224 / 12 x 14 pixels overlap a little in rows.
    weights = np.zeros((224, 224))
    for row in range(ROWS):
        rows = slice(row * 224 // ROWS, -(-(row + 1) * 224 // ROWS))
        for column in range(COLUMNS):
            columns = slice(column * 14, column * 14 + 14)
            weights[rows, columns] += 1 / weights[rows, columns].size
    excess = weights * (images - neutral.round()).mean(axis=2) / 255
    edges_x, edges_y = np.linspace(0, 224, 13).round().astype(int), np.arange(0, 225, 28)
    cells = np.array(
        [
            [excess[224 - top : 224 - bottom, left:right].sum() for left, right in pairs(edges_x)]
            for bottom, top in pairs(edges_y)
        ]
    )
    # Patches of 2 x 2 cells; each cell is in four of them.
    padded = np.pad(cells, 1)
    patches = padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]
    expected = (patches[1:, 1:] + patches[:-1, 1:] + patches[1:, :-1] + patches[:-1, :-1]) / 4
    np.testing.assert_allclose(image.map, expected, atol=2e-3 * np.abs(expected).max())


def pairs(edges):
    return list(itertools.pairwise(edges))


def test_gradients_make_up_the_way_from_the_blurred_image():
    """Cells of patches 1 x 1 sum to the difference of decisions; here each is counted 4 times."""
    window = burst(20.0, 2.0)
    pipeline = looking(window, "spectrogram_psd")
    (explanation,) = explain(pipeline, window, method="gradient", target=1)
    occluded = explained(window, "spectrogram_psd")
    # A linear decision: both methods are the same, but for rounding of hidden images to bytes.
    largest = np.abs(explanation.images[0].map).max()
    np.testing.assert_allclose(
        explanation.images[0].map, occluded.images[0].map, atol=1e-3 * largest
    )


def test_gradients_follow_what_is_curved():
    """An SVM's way from blurred to seen is made up too, though no step of it is straight."""
    windows = np.concatenate([burst(s, f) for s in (15, 40) for f in (1.0, 3.0)])
    model = make_pipeline(embedder("spectrogram_psd"), SVC(gamma=0.1))
    model.fit(windows, np.tile([0, 1], 2))
    from sklearn_biomoe.explanation.grids import lay_grid, single_out
    from sklearn_biomoe.explanation.masking import blur

    window = windows[1:2]
    (explanation,) = explain(model, window, method="gradient")
    images = model[0][0].transform(window)
    shown = single_out(images, 0)
    embedded = model[0][1].transform(np.stack([np.asarray(images)[0, 0], blur(shown)]))
    seen, neutral = model[1:].decision_function(embedded)
    grid = lay_grid(shown, None)
    # Cells at corners and edges are in as many patches as others, but those patches are smaller.
    assert explanation.decision == pytest.approx(seen)
    sums = unspread(explanation.images[0].map, grid)
    assert sums == pytest.approx(seen - neutral, rel=0.02)


def unspread(cells, grid):
    """Sum of what was spread over patches: each linear map from cells to cells can be undone."""
    n = cells.size
    matrix = np.zeros((n, n))
    for column in range(n):
        unit = np.zeros(n)
        unit[column] = 1
        unit = unit.reshape(grid.shape)
        matrix[:, column] = grid.spread([unit[patch].sum() for patch in grid.patches()]).ravel()
    return np.linalg.solve(matrix, cells.ravel()).sum()


def test_every_cell_is_in_as_many_patches():
    grid = Grid(np.arange(6), np.arange(4), width=2, height=2)
    counts = np.zeros(grid.shape)
    for patch in grid.patches():
        counts[patch] += 1
    assert (counts == 4).all()
    assert grid.spread(np.ones(24)).tolist() == np.ones((3, 5)).tolist()


# Whatever pipeline


WINDOWS = np.concatenate([bump(s) for s in (8.0, 14.0, 20.0, 32.0, 40.0, 50.0)])
LABELS = np.array(["early", "early", "early", "late", "late", "late"])


@pytest.mark.parametrize("method", METHODS)
def test_signs_are_for_the_explained_class(method):
    model = make_pipeline(embedder("waveform", **EDA), LogisticRegression(C=100))
    model.fit(WINDOWS, LABELS)
    for_early, for_late = (
        explain(model, WINDOWS[:1], method=method, target=name)[0] for name in ("early", "late")
    )
    assert for_early.decision == pytest.approx(-for_late.decision)
    np.testing.assert_allclose(for_early.images[0].map, -for_late.images[0].map, atol=1e-6)
    predicted = explain(model, WINDOWS[[1, 4]], method=method)
    assert [each.target for each in predicted] == ["early", "late"]
    for second, each in zip((14, 40), predicted, strict=True):
        (image,) = each.images
        assert each.decision > 0
        assert abs(image.times[image.over_time.argmax()] - second) < 6


def frame():
    pulse = [burst(s, 2.0)[0] for s in (10, 20, 30, 40, 45, 50)]
    return pd.DataFrame({"eda": list(WINDOWS), "bvp": pulse, "subject": [1, 1, 2, 2, 3, 3]})


def both(last):
    columns = make_column_transformer(
        (embedder("waveform", **EDA), "eda"),
        (embedder("spectrogram_psd"), "bvp"),
        (FunctionTransformer(lambda subject: subject.to_numpy() / 10), ["subject"]),
    )
    return make_pipeline(columns, StandardScaler(), last)


def late():
    branches = [
        ("eda", make_pipeline(embedder("waveform", **EDA), LogisticRegression()), "eda"),
        ("bvp", make_pipeline(embedder("spectrogram_psd"), LogisticRegression()), "bvp"),
    ]
    return LateFusionClassifier(branches)


@pytest.mark.parametrize(
    "model",
    [
        both(LogisticRegression()),
        both(CalibratedClassifierCV(SVC(kernel="linear"), cv=2)),
        CalibratedClassifierCV(both(LogisticRegression()), cv=2),
        GridSearchCV(both(LogisticRegression()), {"logisticregression__C": [1.0]}, cv=2),
        late(),
    ],
    ids=["columns", "calibrated", "calibrated whole", "grid search", "late fusion"],
)
def test_images_are_found_wherever_they_are(model):
    X, y = frame(), np.array([0, 1, 0, 1, 0, 1])
    model.fit(X, y)
    (first,) = explain(model, X[:1], stretch=20)
    assert {image.name for image in first.images} == {"eda_waveform", "bvp_spectrogram_psd"}
    assert all(np.isfinite(image.map).all() for image in first.images)
    assert any(image.map.any() for image in first.images)
    assert "_embed_images" not in vars(find_embedders(model)[0])  # worked on a copy


def test_other_processes_are_not_asked():
    model = both(LogisticRegression()).fit(frame(), [0, 1, 0, 1, 0, 1])
    (alone,) = explain(model, frame()[:1], stretch=20)
    model[0].n_jobs = 2
    (parallel,) = explain(model, frame()[:1], stretch=20)
    assert np.array_equal(alone.images[0].map, parallel.images[0].map)


def test_log_odds_of_probabilities():
    model = make_pipeline(embedder("waveform", **EDA), LogisticRegression(C=10))
    model.fit(WINDOWS, LABELS)
    (by_score,) = explain(model, WINDOWS[:1], target="late")
    only = make_pipeline(model[0], OnlyProbabilities(model[1]))
    (by_odds,) = explain(only, WINDOWS[:1], target="late")
    assert by_odds.decision == pytest.approx(by_score.decision, rel=1e-6)
    np.testing.assert_allclose(by_odds.images[0].map, by_score.images[0].map, atol=1e-6)


class OnlyProbabilities(ClassifierMixin, BaseEstimator):
    def __init__(self, model):
        self.model = model
        self.classes_ = model.classes_

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.model.predict_proba(X)

    def predict(self, X):
        return self.model.predict(X)


def test_three_classes():
    model = make_pipeline(embedder("waveform", **EDA), LogisticRegression()).fit(
        WINDOWS, ["a", "b", "c", "a", "b", "c"]
    )
    (explanation,) = explain(model, WINDOWS[:1], target="b")
    assert explanation.decision == pytest.approx(model.decision_function(WINDOWS[:1])[0, 1])


def test_a_value():
    model = make_pipeline(embedder("waveform", **EDA), Ridge()).fit(
        WINDOWS, [8, 14, 20, 32, 40, 50]
    )
    (explanation,) = explain(model, WINDOWS[:1])
    assert explanation.target is None
    assert explanation.decision == pytest.approx(model.predict(WINDOWS[:1])[0])
    with pytest.raises(ValueError, match=r"target=3 names a class, but Pipeline is a regressor"):
        explain(model, WINDOWS[:1], target=3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trainable", ["head", "all"])
def test_what_was_fine_tuned(method, trainable):
    drawer = embedder("waveform", **EDA)[0]
    tuned = TinyBioMoEClassifier(trainable, weights="random", max_epochs=3, learning_rate=0.01)
    model = make_pipeline(drawer, tuned).fit(WINDOWS, LABELS)
    assert bool(tuned.backbone_changes_) == (trainable == "all")
    (explanation,) = explain(model, WINDOWS[:1], method=method, target="late")
    share = model.predict_proba(WINDOWS[:1])[0, 1]
    assert explanation.decision == pytest.approx(np.log(share / (1 - share)))
    (image,) = explanation.images
    assert np.abs(image.map).max() > 0


def test_gradients_are_those_of_the_backbone_that_was_trained():
    drawer = embedder("waveform", **EDA)[0]
    fast = {"learning_rate": 0.01, "backbone_learning_rate_factor": 50, "max_epochs": 3}
    tuned = TinyBioMoEClassifier("all", weights="random", **fast)
    model = make_pipeline(drawer, tuned).fit(WINDOWS, LABELS)
    (scale,) = tuned.backbone_changes_["scale"]
    assert abs(scale - 1) > 0.1  # which it began with
    window = AskedWindow(model, Decision(model), WINDOWS[:1], "late")
    (image,) = window.images
    pixels = torch.tensor(np.asarray(image.images)[0] / 255).float().permute(0, 3, 1, 2)
    found = window.backbone(0)(pixels)[0]
    torch.testing.assert_close(found, scale * PatchBackbone()(pixels)[0])
    np.testing.assert_allclose(found.detach(), image.embedding, rtol=1e-5)


def test_a_fine_tuned_head_is_explained_as_any_classifier():
    drawer, frozen = embedder("waveform", **EDA)
    tuned = TinyBioMoEClassifier(weights="random").fit(drawer.fit_transform(WINDOWS), LABELS)
    frozen.fit(drawer.transform(WINDOWS))
    by_hand = HeadByHand(tuned).fit(None, LABELS)
    (one,) = explain(make_pipeline(drawer, tuned), WINDOWS[:1], target="late")
    (other,) = explain(make_pipeline(drawer, frozen, by_hand), WINDOWS[:1], target="late")
    np.testing.assert_allclose(one.images[0].map, other.images[0].map, rtol=1e-6, atol=1e-9)


class HeadByHand(Looking):
    def decision_function(self, X):
        head = self.weights
        Z = (X.astype(np.float64) - head.embedding_mean_) / head.embedding_scale_
        Z[Z < 0] = np.exp(Z[Z < 0]) - 1
        return np.subtract(*(Z @ head.head_weight_[[1, 0]].T + head.head_bias_[[1, 0]]).T)


def test_sensors_that_dropped_out_are_left_out():
    X, y = frame(), np.array([0, 1, 0, 1, 0, 1])
    model = late().fit(X, y)
    X.loc[0, "eda"] = None
    first, second = explain(model, X[:2], stretch=20)
    assert [image.name for image in first.images] == ["bvp_spectrogram_psd"]
    assert len(second.images) == 2
    X.loc[0, "bvp"] = None
    with (
        pytest.raises(ValueError, match="Window 0 lacks every signal that is drawn"),
        pytest.warns(UserWarning, match="lack every modality"),
    ):
        explain(model, X[:2])


# Refusals


def test_a_pipeline_without_images():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(WINDOWS, LABELS)
    with pytest.raises(ValueError, match=r"Pipeline holds no image step.*make_pipeline\(embed, "):
        explain(model, WINDOWS)


def test_fitted_parts_put_together_need_no_fit():
    """As the message says."""
    embed = embedder("waveform", **EDA).fit(WINDOWS)
    last = LogisticRegression().fit(embed.transform(WINDOWS), LABELS)
    assert len(explain(make_pipeline(embed, last), WINDOWS[:1])) == 1


def test_images_as_arrays():
    images = np.zeros((4, 224, 224, 3), dtype=np.uint8)
    images[2:] = 255
    model = make_pipeline(TinyBioMoEEmbedder("random"), LogisticRegression())
    model.fit(images, [0, 0, 1, 1])
    with pytest.raises(ValueError, match="as an array, which knows no seconds and hertz"):
        explain(model, images)


def test_other_refusals():
    model = make_pipeline(embedder("waveform", **EDA), LogisticRegression())
    with pytest.raises(NotFittedError):
        explain(model, WINDOWS)
    model.fit(WINDOWS, LABELS)
    with pytest.raises(ValueError, match=r"Unknown method 'gradients'.*Did you mean 'gradient'"):
        explain(model, WINDOWS, method="gradients")
    with pytest.raises(ValueError, match=r"target='noon' is none of the classes \['early', 'late'"):
        explain(model, WINDOWS, target="noon")
    for stretch in (0, -1, "5", np.nan):
        with pytest.raises(ValueError, match="expected a positive number of seconds, or None"):
            explain(model, WINDOWS, stretch=stretch)
    with pytest.raises(ValueError, match=r"stretch=90 is longer than image 'eda_waveform'"):
        explain(model, WINDOWS, stretch=90)
    with pytest.raises(ValueError, match="has no decision to explain"):
        explain(model[0], WINDOWS)


def test_gradients_of_what_does_not_follow_are_told_to_miss():
    model = make_pipeline(embedder("waveform", **EDA), KNeighborsClassifier(1))
    model.fit(WINDOWS, LABELS)
    with pytest.warns(UserWarning, match=r"does not follow small changes.*method='occlusion'"):
        explain(model, WINDOWS[5:], method="gradient")
    (explanation,) = explain(model, WINDOWS[5:])
    assert explanation.images[0].map.any()


def test_decisions_that_depend_on_other_windows():
    centre = FunctionTransformer(lambda X: X - X.mean(axis=0))
    model = make_pipeline(embedder("waveform", **EDA), centre, LogisticRegression(C=1e4))
    model.fit(WINDOWS, LABELS)
    with pytest.raises(ValueError, match=r"about window 0 among the 6.*looks at the other windows"):
        explain(model, WINDOWS)


# Drawing


def test_a_figure_shows_signal_image_and_hertz():
    X, y = frame(), np.array([0, 1, 0, 1, 0, 1])
    (explanation,) = explain(both(LogisticRegression()).fit(X, y), X[:1])
    figure = plot_explanation(explanation)
    FigureCanvasAgg(figure).draw()
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == ["eda_waveform", "bvp_spectrogram_psd"]
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels.count("frequency (Hz)") == 2  # image and bars, of the spectrogram alone
    bars = figure.axes[1]
    heights = [patch.get_height() for patch in bars.patches]
    np.testing.assert_allclose(heights, explanation.images[0].over_time)
    colours = {tuple(patch.get_facecolor()) for patch in bars.patches if patch.get_height() > 0}
    others = {tuple(patch.get_facecolor()) for patch in bars.patches if patch.get_height() < 0}
    assert not colours & others


def test_what_cannot_be_drawn(monkeypatch):
    model = make_pipeline(embedder("waveform", **EDA), LogisticRegression()).fit(WINDOWS, LABELS)
    explanations = explain(model, WINDOWS[:1])
    with pytest.raises(TypeError, match=r"is a list; expected one Explanation.*\[0\]"):
        plot_explanation(explanations)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[plot\]'"):
        plot_explanation(explanations[0])


# The simulator


@pytest.mark.parametrize(
    ("event", "within"), [("response", None), ("burst", (2.25, 4.75)), ("pause", None)]
)
def test_events_are_all_that_tells_classes_apart(event, within):
    windows = make_event_windows(event, 3, 6, random_state=0)
    again = make_event_windows(event, 3, 6, random_state=0)
    cells = windows.data[windows.modality]
    assert all(map(np.array_equal, cells, again.data[windows.modality]))
    from sklearn_biomoe.datasets import make_biosignal_windows

    plain = make_biosignal_windows(
        3, 6, modalities=[windows.modality], effect_size=0.0,
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    rate = windows.sampling_rates[windows.modality]
    assert windows.target.sum() == 9
    for row, (cell, other) in enumerate(zip(cells, plain.data[windows.modality], strict=True)):
        start, stop, low, high = windows.events.iloc[row]
        changed = np.abs(cell - other) > 0.15 * np.abs(cell - other).max()
        if windows.target[row] == 0:
            assert np.isnan([start, stop]).all()
            assert not changed.any()
            continue
        where = np.flatnonzero(changed) / rate
        assert start - 1 <= where.min() < where.max() <= stop + 1
        if within is not None:
            assert within[0] <= low < high <= within[1]
            spectrum = np.abs(np.fft.rfft(cell - other))
            assert low <= spectrum.argmax() / 60 <= high
    with pytest.raises(ValueError, match=r"Unknown event 'busrt'.*Did you mean 'burst'"):
        make_event_windows("busrt")
