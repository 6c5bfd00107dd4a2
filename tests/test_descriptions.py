"""Methods paragraphs of studies: each sentence agrees with what the study did."""

from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from sklearn_biomoe import (
    BiosignalImageTransformer,
    TinyBioMoEEmbedder,
    make_multimodal_embedder,
    run_study,
)
from sklearn_biomoe.evaluation import Calibration, FixedSplit, LeakWarning, RepeatedGroupKFold
from sklearn_biomoe.evaluation.descriptions import describe_methods
from sklearn_biomoe.evaluation.leaks import drawn_signals
from sklearn_biomoe.finetuning import TinyBioMoEClassifier

GROUPS = np.repeat(["a", "b", "c", "d", "e", "f"], 10)
Y = np.tile([0, 1], 30)
X = np.random.default_rng(0).normal(size=(60, 3)) + Y[:, None]
STARTS = np.tile(np.arange(10) * 60.0, 6)
INTERVALS = np.column_stack([STARTS, STARTS + 60])


def describe(methods, signals, **options):
    return " ".join(
        describe_methods(
            methods, options.get("controls", {}), signals, drawn_signals(methods), None
        )
    )


def describe_image(*representations, **parameters):
    parameters = {"modality": "eda", "sampling_rate": 4} | parameters
    image = BiosignalImageTransformer(representations, **parameters)
    text = describe({"a": make_pipeline(image, Ridge())}, np.ones((2, 240)))
    return text.split("show ")[1].split(". The methods")[0]


def mean_colour(images):
    return np.asarray(images).mean(axis=(1, 2, 3))


# What methods are given and do


def test_signals_images_embeddings_and_steps():
    frame = pd.DataFrame({"eda": [np.ones(240)] * 3, "bvp": [np.ones(3840), None, np.ones(1920)]})
    classify = LogisticRegression(C=0.1)
    methods = {
        "both": make_pipeline(make_multimodal_embedder({"eda": 4, "bvp": 64}), classify),
        "pulse": make_pipeline(
            make_multimodal_embedder({"bvp": 64}), StandardScaler(), "passthrough", classify
        ),
    }
    assert describe(methods, frame) == (
        "The signals are eda (modality eda, 4 Hz, windows of 60 s); "
        "bvp (modality bvp, 64 Hz, windows of 30 to 60 s, 1 of them missing). "
        "The images of eda show waveform (values from 0.05 to 20 µS, logarithmic), with 224 x 224 "
        "pixels. The images of bvp show scalogram (0.5 to 5 Hz, powers down to 50 dB below the "
        "maximum of each window, colormap viridis), with 224 x 224 pixels. "
        "Images are embedded by Tiny-BioMoE (Gkikas et al. 2025, doi 10.1145/3747327.3764788) with "
        "the weights 'open', in float32, as 192 numbers each, concatenated over the images of a "
        'window. The methods are "both": [eda: images of eda, then Tiny-BioMoE; bvp: images of '
        'bvp, then Tiny-BioMoE], then LogisticRegression(C=0.1); "pulse": [bvp: images of bvp, '
        "then Tiny-BioMoE], then StandardScaler(), then LogisticRegression(C=0.1)."
    )


@pytest.mark.parametrize(
    ("representations", "parameters", "text"),
    [
        (["waveform"], {"value_range": "window"}, "the smallest to the largest value of each"),
        (["waveform"], {"value_range": "training"}, "1st to the 99th percentile of training"),
        (["waveform"], {"value_range": (1.0, 5.0)}, "values from 1 to 5 µS), with"),
        (["waveform"], {"modality": "generic"}, "the smallest to the largest value of each"),
        (["recurrence"], {}, "recurrence, with 224"),
        (["gasf"], {"colormap": "magma"}, "gasf (colormap magma), with"),
        (["scalogram"], {"power_range": (-20, 30)}, "0 to 0.5 Hz, powers from -20 to 30 dB"),
        (["scalogram"], {"power_range": "training"}, "99th percentile of the maxima of training"),
        (
            ["composite"],
            {"frequency_range": None},
            "logarithmic, segments of 20 s, all frequencies)",
        ),
        (
            ["spectrogram_angle"],
            {"spectrogram_window": None},
            "segments of an eighth of the window",
        ),
        (["waveform"], {"tile_length": 10, "tile_step": 5}, "in tiles of 10 s every 5 s"),
        (["waveform"], {"image_size": 64}, "with 64 x 64 pixels"),
    ],
)
def test_details_of_images(representations, parameters, text):
    described = describe_image(*representations, **parameters)
    assert text in described
    has_colours = representations[0] not in ("waveform", "recurrence", "composite")
    assert ("colormap" in described) is has_colours


def test_other_columns_and_selectors():
    selector = make_column_selector("^e")
    columns = ColumnTransformer([("a", StandardScaler(), selector)], remainder=MinMaxScaler())
    text = describe({"a": make_pipeline(columns, Ridge())}, pd.DataFrame({"e": [1.0], "f": [2.0]}))
    assert "make_column_selector object>: StandardScaler(); other columns: MinMaxScaler()]" in text


def test_different_images_of_a_modality_have_different_names():
    methods = {
        str(size): make_pipeline(BiosignalImageTransformer(image_size=size), Ridge())
        for size in (64, 32, 64)
    }
    text = describe(methods, np.ones((2, 40)))
    assert "The images of generic show waveform" in text
    assert '"32": images of generic, version 2, then Ridge()' in text


def test_embedders_and_unions(tmp_path):
    file = tmp_path / "my.safetensors"
    union = FeatureUnion([("mean", FunctionTransformer(mean_colour)), ("same", "passthrough")])
    methods = {
        "file": make_pipeline(TinyBioMoEEmbedder(file, fuse="mean"), Ridge()),
        "tuned": TinyBioMoEClassifier("last_stages"),
        "union": make_pipeline(union, Ridge()),
    }
    text = describe(methods, np.ones((2, 3)))
    assert str(tmp_path) not in text.split("The methods")[0]
    assert "with the weights 'my.safetensors', in float32" in text
    assert "averaged over the images of a window" in text
    assert "TinyBioMoEClassifier trains Tiny-BioMoE" in text
    assert "from the weights 'open': trainable='last_stages'." in text
    assert "[FunctionTransformer(func=mean_colour); 'passthrough'], then Ridge()" in text
    assert "The input of the methods has one row for each window and 3 columns." in text


# Whole studies


def test_paragraph_of_leave_one_subject_out():
    methods = {"a": LogisticRegression(), "b": LogisticRegression(C=0.1)}
    with pytest.warns(LeakWarning, match="time alone"):
        study = run_study(
            methods, X, np.sort(Y.reshape(6, 10)).ravel(), GROUPS, intervals=INTERVALS
        )
    text = study.describe()
    for sentence in [
        "60 windows of 6 subjects (10 each) are scored, with the classes 0 50.0 %, 1 50.0 %.",
        "one row for each window of 60 s and 3 columns.",
        'The methods are "a": LogisticRegression(); "b": LogisticRegression(C=0.1).',
        'The controls are "training majority", of the targets of training windows alone: '
        "DummyClassifier(strategy='most_frequent'); \"elapsed time only, linear\", of the start of "
        "the window alone: StandardScaler(), then LogisticRegression(",
        "The protocol is leave one subject out: 6 folds.",
        "The main metric is the balanced accuracy of each subject, the mean recall over classes. "
        "Other metrics are Macro-F1, ROC-AUC.",
        "with the variance corrected for subjects that train and test each other",
        "sign-flip permutation test (all 64 flips)",
        "for the 1 to 2 pairs with the same reference or control",
        f"scikit-learn {metadata.version('scikit-learn')}, ",
    ]:
        assert sentence in text
    assert "SHA-256" not in text
    assert "folds of their own" not in text


def test_paragraph_of_fixed_lists_of_subjects():
    split = FixedSplit(["a", "b", "c"], ["e", "f"], validation=["d"])
    text = run_study({"a": LogisticRegression()}, X, Y, GROUPS, cv=split).describe()
    assert "20 windows of 2 subjects (10 each) are scored, of 60 windows in all" in text
    assert "The protocol is 1 fold leaving out 2 whole subjects." in text
    assert "t intervals over subjects. Chance" in text  # subjects do not train each other


def test_paragraph_of_repeated_folds_of_ratings():
    y = np.random.default_rng(0).normal(size=60)
    cv = RepeatedGroupKFold(3, n_repeats=2, random_state=0)
    study = run_study({"a": Ridge()}, X, y, GROUPS, cv=cv)
    text = study.describe()
    assert f"the ratings from {y.min():.6g}".replace("-", "\N{MINUS SIGN}") in text
    assert "3 folds, each leaving out 2 whole subjects, repeated 2 times." in text
    assert "The main metric is the MAE of each subject" in text


def test_paragraph_of_a_calibrated_study():
    calibration = Calibration(n_windows=2, labels=True)
    with pytest.warns(LeakWarning, match="time alone"):
        study = run_study(
            {"a": LogisticRegression()}, X, Y, GROUPS, intervals=INTERVALS, calibration=calibration
        )
    text = study.describe()
    assert "48 windows of 6 subjects (8 each) are scored, of 60 windows in all" in text
    assert (
        "The signals and targets of the first 2 windows of each test subject are used for "
        'calibration by "a", "own majority", '
    ) in text
    assert '"own majority", of the calibration targets of the subject alone' in text


def test_controls_with_folds_of_their_own():
    y = np.concatenate([[0] * 5 + [1] * 5, [1] * 5 + [0] * 5] * 3)
    study = run_study({"a": LogisticRegression()}, X, y, GROUPS, intervals=INTERVALS)
    assert (
        'The controls "elapsed time only, linear", "elapsed time only, spline" have 3 folds of '
        "their own."
    ) in study.describe()


def test_page_of_a_study_of_windows(tmp_path):
    image = BiosignalImageTransformer(modality="eda", sampling_rate=4, image_size=32)
    features = FunctionTransformer(mean_colour)
    method = make_pipeline(image, features, LogisticRegression(C=0.5))
    random = np.random.default_rng(0)
    windows = 3 + 0.05 * random.normal(size=(60, 240)).cumsum(axis=1) + Y[:, None]
    study = run_study({"colours": method}, windows.clip(0.1, 19), Y, GROUPS)
    html = study.report(tmp_path / "study.html", title="Colours of windows").read_text("utf-8")
    assert "<title>Colours of windows</title>" in html
    assert "one signal (modality eda, 4 Hz, windows of 60 s)" in html
    assert "of mean, standard deviation, minimum and maximum of each signal: SimpleImputer(" in html
    folded = html.split("Signals, spectra and quality of windows</summary>")[1]
    assert '<div class="window-report">' in folded
    shown, full = html.split("<summary>All parameters</summary>")
    assert "LogisticRegression(C=0.5))" in shown
    assert "fit_intercept=True" not in shown
    assert "fit_intercept=True" in full
    assert "at 0x" not in html
