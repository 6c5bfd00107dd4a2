"""Explanations: importance is highest at the seconds and hertz that a decision depends on."""

import itertools
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import nn

from sklearn_biomoe import (
    BiosignalImageTransformer,
    TinyBioMoEEmbedder,
    UntrainedBackboneWarning,
    inference,
)
from sklearn_biomoe.datasets import make_biosignal_windows, make_event_windows
from sklearn_biomoe.explanation import explain, plot_explanation
from sklearn_biomoe.explanation.decisions import RecordedWindow, choose_targets
from sklearn_biomoe.explanation.grids import Grid, make_grid
from sklearn_biomoe.explanation.masking import blur
from sklearn_biomoe.finetuning import TinyBioMoEClassifier
from sklearn_biomoe.fusion import LateFusionClassifier
from sklearn_biomoe.images.shown_image import select_image
from sklearn_biomoe.pipelines import find_embedders
from sklearn_biomoe.weights import random_weights

RATE = 16
SECONDS = np.arange(0, 60, 1 / RATE)
METHODS = ["occlusion", "gradient"]
ROWS, COLUMNS = 12, 16


class PatchBackbone(nn.Module):
    """Embeds an image as the brightness of 12 x 16 patches, from the top left."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        grey = images.mean(dim=1, keepdim=True)
        return self.scale * nn.functional.adaptive_avg_pool2d(grey, (ROWS, COLUMNS)).flatten(1)


@pytest.fixture(autouse=True)
def _patch_backbone(monkeypatch):
    def clear():
        inference.free_engines()
        random_weights.random_sha256.cache_clear()

    monkeypatch.setattr(random_weights, "TinyBioMoE", PatchBackbone)
    clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UntrainedBackboneWarning)
        yield
    clear()


class WeightedPatches(ClassifierMixin, BaseEstimator):
    """Decides for class 1 by the weighted sum of the patches of all images."""

    def __init__(self, weights=1.0):
        self.weights = weights

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return (X.reshape(len(X), -1, ROWS, COLUMNS) * self.weights).sum(axis=(1, 2, 3))

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


EDA = {"modality": "eda", "rate": 4, "value_range": "window"}
UPPER_HALF = np.repeat([-1.0, 0.0], ROWS // 2)[:, None]  # high where curves are dark


def burst(second, hertz):
    noise = 0.001 * np.random.default_rng(1).standard_normal(SECONDS.size)
    wave = np.sin(2 * np.pi * hertz * SECONDS)
    return (noise + np.exp(-(((SECONDS - second) / 1.5) ** 2)) * wave)[None]


def bump(second):
    times = np.arange(0, 60, 1 / 4)
    return (2 + 2 * np.exp(-((times - second) ** 2) / 8) + 0.01 * np.sin(times))[None]


def embedder(representation, modality="bvp", rate=RATE, **options):
    to_images = BiosignalImageTransformer(
        [representation], sampling_rate=rate, modality=modality, **options
    )
    return make_pipeline(to_images, TinyBioMoEEmbedder("random", cache=None))


def fit_patches(window, representation, weights=1.0, **options):
    windows = np.repeat(window, 2, axis=0)
    model = make_pipeline(embedder(representation, **options), WeightedPatches(weights))
    return model.fit(windows, [0, 1])


def explain_patches(window, *args, method="occlusion", stretch=None, **options):
    model = fit_patches(window, *args, **options)
    (explanation,) = explain(model, window, method=method, target=1, stretch=stretch)
    return explanation.images


def peak(image):
    row, column = np.unravel_index(image.map.argmax(), image.map.shape)
    hertz = None if image.frequencies is None else image.frequencies[row]
    return image.times[column], hertz


# The place, known from how the signal was made


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("representation", ["spectrogram_psd", "scalogram"])
def test_burst_is_found_at_its_second_and_hertz(method, representation):
    second, hertz = 41.0, 3.6
    (image,) = explain_patches(burst(second, hertz), representation, method=method)
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
    [("waveform", UPPER_HALF), ("recurrence", 1.0), ("gasf", -1.0), ("composite", 1.0)],
)
def test_bump_is_found_at_its_second(method, representation, weights):
    (image,) = explain_patches(bump(44.0), representation, weights, method=method, **EDA)
    assert image.frequency_edges is None
    assert image.map.shape[0] == 1
    assert abs(peak(image)[0] - 44) < 5


@pytest.mark.parametrize("method", METHODS)
def test_parts_that_the_decision_ignores_have_no_importance(method):
    """A burst is at 41 s; the decision depends on the patch around 14 s and 1.2 Hz."""
    window = burst(41.0, 3.6) + burst(14.0, 1.2)
    # 3.5 to 56.5 s in 16 columns, 5.0625 to 0.4375 Hz in 12 rows.
    column, row = int((14 - 3.5) / (53 / 16)), int((5.0625 - 1.2) / (4.625 / 12))
    weights = np.zeros((ROWS, COLUMNS))
    weights[row, column] = 1
    (image,) = explain_patches(window, "spectrogram_psd", weights, method=method)
    at, hertz = peak(image)
    assert abs(at - 14) < 5
    assert abs(hertz - 1.2) < 0.6
    late, high = image.times > 30, image.frequencies > 2.5
    assert np.abs(image.map[np.ix_(high, late)]).max() < 1e-6


def test_tiles_are_explained_at_their_own_times():
    tiles = {"modality": "eda", "rate": 4, "tile_length": 20.0}
    images = explain_patches(bump(50.0), "waveform", UPPER_HALF, **tiles)
    assert [image.name[-5:] for image in images] == ["tile0", "tile1", "tile2"]
    assert [image.time_edges[0] for image in images] == [0, 20, 40]
    assert np.argmax([image.map.max() for image in images]) == 2
    assert abs(peak(images[2])[0] - 50) < 2
    assert images[1].signal_times[[0, -1]].tolist() == [20, 39.75]


@pytest.mark.parametrize(("stretch", "n_columns"), [(None, 24), (5.0, 48)])
def test_shorter_stretches_give_finer_maps(stretch, n_columns):
    (image,) = explain_patches(bump(20.0), "waveform", UPPER_HALF, stretch=stretch, **EDA)
    assert abs(image.map.shape[1] - n_columns) <= 1
    assert image.time_edges[[0, -1]].tolist() == [0, 59.75]  # first to last sample


# The numbers


def test_occlusion_agrees_with_a_calculation_by_hand():
    """The decision is a sum of patches: masking some removes the excess over the blurred image."""
    window = burst(20.0, 2.0)
    (image,) = explain_patches(window, "spectrogram_psd", stretch=53 / 6)
    neutral = image.image.astype(float)
    for axis in (0, 1):
        neutral = gaussian_filter1d(neutral, 28, axis=axis, mode="mirror", truncate=3.0)
    # Weights of the pixels in the sum: patches of 224 / 12 x 14 pixels overlap a little in rows.
    weights = np.zeros((224, 224))
    for row, column in itertools.product(range(ROWS), range(COLUMNS)):
        rows = slice(row * 224 // ROWS, -(-(row + 1) * 224 // ROWS))
        columns = slice(column * 14, column * 14 + 14)
        weights[rows, columns] += 1 / weights[rows, columns].size
    excess = weights * (image.image - neutral.round()).mean(axis=2) / 255
    edges = np.linspace(0, 224, 13).round().astype(int)
    by_row = np.add.reduceat(excess[::-1], np.arange(0, 224, 28), axis=0)
    cells = np.add.reduceat(by_row, edges[:-1], axis=1)
    # Patches of 2 x 2 cells; each cell is in four of them.
    padded = np.pad(cells, 1)
    patches = padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]
    expected = (patches[1:, 1:] + patches[:-1, 1:] + patches[1:, :-1] + patches[:-1, :-1]) / 4
    np.testing.assert_allclose(image.map, expected, atol=2e-3 * np.abs(expected).max())


def test_gradients_agree_with_occlusion_if_the_decision_is_linear():
    """Up to the rounding of masked images to bytes."""
    gradient, occlusion = (
        explain_patches(burst(20.0, 2.0), "spectrogram_psd", method=method)[0].map
        for method in ("gradient", "occlusion")
    )
    np.testing.assert_allclose(gradient, occlusion, atol=1e-3 * np.abs(gradient).max())


def test_gradients_sum_to_the_change_of_a_nonlinear_decision():
    windows = np.concatenate([burst(s, f) for s in (15, 40) for f in (1.0, 3.0)])
    model = make_pipeline(embedder("spectrogram_psd"), SVC(gamma=0.1)).fit(windows, [0, 1, 0, 1])
    (explanation,) = explain(model, windows[1:2], method="gradient")
    shown = select_image(model[0][0].transform(windows[1:2]), 0, 0)
    embedded = model[0][1].transform(np.stack([shown.image, blur(shown)]))
    original, blurred = model[1:].decision_function(embedded)
    assert explanation.decision == pytest.approx(original)
    total = sum_of_cells(explanation.images[0].map, make_grid(shown, None))
    assert total == pytest.approx(original - blurred, rel=0.02)


def sum_of_cells(averages, grid):
    """Invert the linear map from cells to averages over patches, and sum up the cells."""
    units = np.eye(averages.size).reshape(-1, *grid.shape)
    columns = [
        grid.average([unit[patch].sum() for patch in grid.patches()]).ravel() for unit in units
    ]
    return np.linalg.solve(np.transpose(columns), averages.ravel()).sum()


def test_each_cell_is_in_the_same_number_of_patches():
    grid = Grid(np.arange(6), np.arange(4), width=2, height=2)
    counts = np.zeros(grid.shape)
    for patch in grid.patches():
        counts[patch] += 1
    assert (counts == 4).all()
    assert grid.average(np.ones(24)).tolist() == np.ones((3, 5)).tolist()


# Pipelines

WINDOWS = np.concatenate([bump(s) for s in (8.0, 14.0, 20.0, 32.0, 40.0, 50.0)])
LABELS = np.array(["early", "early", "early", "late", "late", "late"])


def fit_eda(last, y=LABELS):
    return make_pipeline(embedder("waveform", **EDA), last).fit(WINDOWS, y)


@pytest.mark.parametrize("method", METHODS)
def test_signs_refer_to_the_explained_class(method):
    model = fit_eda(LogisticRegression(C=100))
    early, late = (
        explain(model, WINDOWS[:1], method=method, target=name)[0] for name in ("early", "late")
    )
    assert early.decision == pytest.approx(-late.decision)
    np.testing.assert_allclose(early.images[0].map, -late.images[0].map, atol=1e-6)
    predicted = explain(model, WINDOWS[[1, 4]], method=method)
    assert [each.target for each in predicted] == ["early", "late"]
    for second, each in zip((14, 40), predicted, strict=True):
        assert each.decision > 0
        assert abs(peak(each.images[0])[0] - second) < 6


def two_signals():
    pulse = [burst(s, 2.0)[0] for s in (10, 20, 30, 40, 45, 50)]
    X = pd.DataFrame({"eda": list(WINDOWS), "bvp": pulse, "subject": [1, 1, 2, 2, 3, 3]})
    return X, np.array([0, 1, 0, 1, 0, 1])


def early_fusion(last):
    columns = make_column_transformer(
        (embedder("waveform", **EDA), "eda"),
        (embedder("spectrogram_psd"), "bvp"),
        (FunctionTransformer(lambda subject: subject.to_numpy() / 10), ["subject"]),
    )
    return make_pipeline(columns, StandardScaler(), last)


def late_fusion():
    branches = [
        ("eda", make_pipeline(embedder("waveform", **EDA), LogisticRegression()), "eda"),
        ("bvp", make_pipeline(embedder("spectrogram_psd"), LogisticRegression()), "bvp"),
    ]
    return LateFusionClassifier(branches)


@pytest.mark.parametrize(
    "model",
    [
        early_fusion(LogisticRegression()),
        early_fusion(CalibratedClassifierCV(SVC(kernel="linear"), cv=2)),
        CalibratedClassifierCV(early_fusion(LogisticRegression()), cv=2),
        GridSearchCV(early_fusion(LogisticRegression()), {"logisticregression__C": [1.0]}, cv=2),
        late_fusion(),
    ],
    ids=["columns", "calibrated", "calibrated whole", "grid search", "late fusion"],
)
def test_images_are_found_in_any_pipeline(model):
    X, y = two_signals()
    model.fit(X, y)
    (explanation,) = explain(model, X[:1], stretch=20)
    images = explanation.images
    assert {image.name for image in images} == {"eda_waveform", "bvp_spectrogram_psd"}
    assert all(np.isfinite(image.map).all() for image in images)
    assert any(image.map.any() for image in images)
    assert "_embed_images" not in vars(find_embedders(model)[0])  # explain uses a copy


def test_parallel_pipelines_are_evaluated_in_this_process():
    X, y = two_signals()
    model = early_fusion(LogisticRegression()).fit(X, y)
    (sequential,) = explain(model, X[:1], stretch=20)
    model[0].n_jobs = 2
    (parallel,) = explain(model, X[:1], stretch=20)
    assert np.array_equal(sequential.images[0].map, parallel.images[0].map)


def test_masked_images_are_not_cached(tmp_path):
    to_images, embed = embedder("waveform", **EDA)
    model = make_pipeline(
        to_images, embed.set_params(cache=tmp_path / "cache.sqlite"), LogisticRegression()
    )
    model.fit(WINDOWS, LABELS)
    explain(model, WINDOWS[:1], stretch=20)
    assert embed.cache_info().rows == len(WINDOWS)


def test_probabilities_are_explained_by_their_log_odds():
    model = LogisticRegression(C=10)
    by_score, by_odds = (
        explain(fit_eda(each), WINDOWS[:1], target="late", stretch=20)[0]
        for each in (model, VotingClassifier([("only", model)], voting="soft"))
    )
    assert by_odds.decision == pytest.approx(by_score.decision, rel=1e-6)
    np.testing.assert_allclose(by_odds.images[0].map, by_score.images[0].map, atol=1e-6)


def test_one_of_three_classes():
    model = fit_eda(LogisticRegression(), ["a", "b", "c"] * 2)
    (explanation,) = explain(model, WINDOWS[:1], target="b", stretch=20)
    assert explanation.decision == pytest.approx(model.decision_function(WINDOWS[:1])[0, 1])


def test_regressor():
    model = fit_eda(Ridge(), [8, 14, 20, 32, 40, 50])
    (explanation,) = explain(model, WINDOWS[:1], stretch=20)
    assert explanation.target is None
    assert explanation.decision == pytest.approx(model.predict(WINDOWS[:1])[0])
    with pytest.raises(ValueError, match=r"target=3 is given, but Pipeline is a regressor"):
        explain(model, WINDOWS[:1], target=3)


@pytest.mark.parametrize("last", [Ridge(), KNeighborsClassifier(1)])
def test_models_with_several_outputs(last):
    model = fit_eda(last, np.eye(6, 2, dtype=int))
    with pytest.raises(ValueError, match=r"predicts 2 values for each window, but only one"):
        explain(model, WINDOWS[:1])


# Fine-tuned models


def fit_tuned(*args, **options):
    to_images = embedder("waveform", **EDA)[0]
    tuned = TinyBioMoEClassifier(*args, weights="random", max_epochs=3, **options)
    return make_pipeline(to_images, tuned).fit(WINDOWS, LABELS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trainable", ["head", "all"])
def test_fine_tuned_model(method, trainable):
    model = fit_tuned(trainable, learning_rate=0.01)
    assert bool(model[1].backbone_changes_) == (trainable == "all")
    (explanation,) = explain(model, WINDOWS[:1], method=method, target="late", stretch=20)
    share = model.predict_proba(WINDOWS[:1])[0, 1]
    assert explanation.decision == pytest.approx(np.log(share / (1 - share)))
    assert explanation.images[0].map.any()


def test_gradients_use_the_fine_tuned_backbone():
    model = fit_tuned("all", learning_rate=0.01, backbone_learning_rate_factor=50)
    (scale,) = model[1].backbone_changes_["scale"]
    assert abs(scale - 1) > 0.1  # its value before the fit
    (image,) = RecordedWindow(model, WINDOWS[:1], "late").images
    pixels = torch.tensor(np.asarray(image.call.images)[0] / 255).float().permute(0, 3, 1, 2)
    found = image.call.backbone(pixels)[0]
    torch.testing.assert_close(found, scale * PatchBackbone()(pixels)[0])
    np.testing.assert_allclose(found.detach(), image.call.embeddings[0, 0], rtol=1e-5)


def test_fine_tuned_head_is_explained_like_a_classifier():
    model = fit_tuned()
    to_images, frozen = embedder("waveform", **EDA).fit(WINDOWS)
    by_hand = HeadByHand(model[1]).fit(None, LABELS)
    (one,) = explain(model, WINDOWS[:1], target="late")
    (other,) = explain(make_pipeline(to_images, frozen, by_hand), WINDOWS[:1], target="late")
    np.testing.assert_allclose(one.images[0].map, other.images[0].map, rtol=1e-6, atol=1e-9)


class HeadByHand(WeightedPatches):
    def decision_function(self, X):
        head = self.weights
        Z = (X.astype(np.float64) - head.embedding_mean_) / head.embedding_scale_
        Z[Z < 0] = np.exp(Z[Z < 0]) - 1
        return np.subtract(*(Z @ head.head_weight_[[1, 0]].T + head.head_bias_[[1, 0]]).T)


# Missing signals, and errors


def test_missing_signals_have_no_images():
    X, y = two_signals()
    model = late_fusion().fit(X, y)
    X.loc[0, "eda"] = None
    first, second = explain(model, X[:2], stretch=20)
    assert [image.name for image in first.images] == ["bvp_spectrogram_psd"]
    assert len(second.images) == 2
    X.loc[0, "bvp"] = None
    with (
        pytest.raises(ValueError, match="All signals of window 0 are missing"),
        pytest.warns(UserWarning, match="lack every modality"),
    ):
        explain(model, X[:2])


def test_pipeline_without_images():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(WINDOWS, LABELS)
    with pytest.raises(ValueError, match=r"Pipeline has no image step.*make_pipeline\(embed, "):
        explain(model, WINDOWS)


def test_fitted_parts_are_joined_without_another_fit():
    """As the message about a missing image step advises."""
    embed = embedder("waveform", **EDA).fit(WINDOWS)
    last = LogisticRegression().fit(embed.transform(WINDOWS), LABELS)
    assert len(explain(make_pipeline(embed, last), WINDOWS[:1], stretch=20)) == 1


def test_images_as_arrays():
    images = np.zeros((4, 224, 224, 3), dtype=np.uint8)
    images[2:] = 255
    model = make_pipeline(TinyBioMoEEmbedder("random"), LogisticRegression())
    model.fit(images, [0, 0, 1, 1])
    with pytest.raises(ValueError, match="as an array, which has no axes in seconds and hertz"):
        explain(model, images)


def test_other_errors():
    model = make_pipeline(embedder("waveform", **EDA), LogisticRegression())
    with pytest.raises(NotFittedError):
        explain(model, WINDOWS)
    model.fit(WINDOWS, LABELS)
    with pytest.raises(ValueError, match=r"Unknown method 'gradients'.*Did you mean 'gradient'"):
        explain(model, WINDOWS, method="gradients")
    with pytest.raises(ValueError, match=r"target='noon' is not a class; expected .*\['early', 'l"):
        explain(model, WINDOWS, target="noon")
    for stretch in (0, -1, "5", np.nan):
        with pytest.raises(ValueError, match="expected a finite number above 0 in seconds, or No"):
            explain(model, WINDOWS, stretch=stretch)
    with pytest.raises(ValueError, match=r"stretch=90 is longer than image 'eda_waveform'"):
        explain(model, WINDOWS, stretch=90)
    with pytest.raises(ValueError, match="has no decision to explain"):
        explain(model[0], WINDOWS)


def test_gradients_of_a_decision_in_steps_warn_the_caller():
    model = fit_eda(KNeighborsClassifier(1))
    with pytest.warns(UserWarning, match=r"small changes.*method='occlusion'") as caught:
        explain(model, WINDOWS[5:], method="gradient")
    assert caught[0].filename == __file__
    (explanation,) = explain(model, WINDOWS[5:])
    assert explanation.images[0].map.any()


def test_decisions_that_depend_on_other_windows():
    centre = FunctionTransformer(lambda X: X - X.mean(axis=0))
    model = fit_eda(make_pipeline(centre, LogisticRegression(C=1e4)))
    with pytest.raises(ValueError, match=r"about window 0 is .* among the 6.*uses the other windo"):
        explain(model, WINDOWS)


# Figures


def test_figure_shows_signal_image_and_frequencies():
    X, y = two_signals()
    (explanation,) = explain(early_fusion(LogisticRegression()).fit(X, y), X[:1], stretch=20)
    figure = plot_explanation(explanation, figure=Figure())
    figure.draw_without_rendering()
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == ["eda_waveform", "bvp_spectrogram_psd"]
    labels = [axis.get_ylabel() for axis in figure.axes]
    assert labels.count("frequency (Hz)") == 2  # image and bars of the spectrogram
    bars = figure.axes[1].patches
    heights = [patch.get_height() for patch in bars]
    np.testing.assert_allclose(heights, explanation.images[0].over_time)
    colours = {tuple(patch.get_facecolor()) for patch in bars if patch.get_height() > 0}
    others = {tuple(patch.get_facecolor()) for patch in bars if patch.get_height() < 0}
    assert not colours & others


def test_errors_of_figures(monkeypatch):
    explanations = explain(fit_eda(LogisticRegression()), WINDOWS[:1], stretch=20)
    with pytest.raises(TypeError, match=r"is a list; expected one Explanation.*\[0\]"):
        plot_explanation(explanations)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[plot\]'"):
        plot_explanation(explanations[0])


# Simulated events


@pytest.mark.parametrize(
    ("event", "within"), [("response", None), ("burst", (2.25, 4.75)), ("pause", None)]
)
def test_classes_differ_only_in_the_event(event, within):
    windows = make_event_windows(event, 3, 6, random_state=0)
    again = make_event_windows(event, 3, 6, random_state=0)
    cells = windows.data[windows.modality]
    assert all(map(np.array_equal, cells, again.data[windows.modality]))
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


def test_decisions_for_pairs_of_classes_are_refused():
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.repeat([0, 1, 2], 10)
    model = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")).fit(X, y)
    with pytest.raises(ValueError, match="pass decision_function_shape='ovr'"):
        choose_targets(model, X, None)
    ovr = model.set_params(svc__decision_function_shape="ovr").fit(X, y)
    assert choose_targets(ovr, X, None) == ovr.predict(X).tolist()
