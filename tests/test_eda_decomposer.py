"""EDADecomposer equals NeuroKit and scipy row by row, and raises for invalid windows."""

import pickle
import re
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import signal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, EDADecomposer, SignalFilter

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import neurokit2

RNG = np.random.default_rng(0)
RATE = 4.0
EQUAL = 5 + 0.05 * np.cumsum(RNG.normal(size=(6, 240)), axis=1)
RAGGED = [EQUAL[0], EQUAL[1, :200], EQUAL[2], EQUAL[3, :200], EQUAL[4, :150]]
ALL = ["raw", "tonic", "phasic", "detrended", "sympathetic"]


def sympathetic_row(row, rate=RATE):
    sections = signal.butter(2, (0.08, 0.24), "bandpass", fs=rate, output="sos")
    band = signal.sosfiltfilt(sections, row)
    return np.abs(signal.hilbert(band / band.std()))


def expected_row(row, method):
    table = neurokit2.eda_phasic(row, sampling_rate=RATE, method=method)
    tonic, phasic = table["EDA_Tonic"], table["EDA_Phasic"]
    return np.stack([row, tonic, phasic, signal.detrend(row), sympathetic_row(row)])


@pytest.mark.parametrize("method", ["highpass", "smoothmedian"])
@pytest.mark.parametrize("rows", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_components_equal_neurokit_and_scipy_row_by_row(method, rows):
    windows = EDADecomposer(ALL, sampling_rate=RATE, method=method).fit_transform(rows)
    for window, row in zip(windows, rows, strict=True):
        np.testing.assert_array_equal(window[0], row)
        np.testing.assert_allclose(window, expected_row(row, method), rtol=1e-9, atol=1e-9)


def test_order_of_components():
    every = EDADecomposer(ALL, sampling_rate=RATE).fit_transform(EQUAL)
    for names in (["phasic"], ("sympathetic", "raw", "tonic"), np.array(["detrended", "phasic"])):
        decomposer = EDADecomposer(names, sampling_rate=RATE)
        chosen = decomposer.fit_transform(EQUAL)
        np.testing.assert_array_equal(chosen, every[:, [ALL.index(name) for name in names]])
        assert list(decomposer.get_feature_names_out()) == [f"eda_{name}" for name in names]


def test_tonic_and_phasic_add_up_to_the_window():
    median = EDADecomposer(sampling_rate=RATE, method="smoothmedian").fit_transform(EQUAL)
    np.testing.assert_allclose(median[:, 1] + median[:, 2], EQUAL, rtol=1e-12)
    # The squared amplitudes of the two Butterworth filters add up to 1.
    seconds = np.arange(0, 300, 1 / RATE)
    sine = 5 + np.sin(2 * np.pi * 0.05 * seconds)
    raw, tonic, phasic = EDADecomposer(sampling_rate=RATE).fit_transform(sine[None])[0]
    middle = slice(400, -400)
    np.testing.assert_allclose((tonic + phasic)[middle], raw[middle], atol=1e-4)
    np.testing.assert_allclose(phasic[middle], (raw - 5)[middle] / 2, atol=1e-4)


@pytest.mark.parametrize("rate", [4.0, 64.0])
def test_sympathetic_index_follows_the_amplitude(rate):
    seconds = np.arange(0, 300, 1 / rate)
    amplitude = 0.2 + 0.1 * np.sin(2 * np.pi * seconds / 100)
    outside = 3 + 0.01 * seconds + np.sin(2 * np.pi * 1.5 * seconds)
    window = outside + amplitude * np.sin(2 * np.pi * 0.15 * seconds)
    decomposer = EDADecomposer(["sympathetic"], sampling_rate=rate)
    index = decomposer.fit_transform(window[None])[0, 0]
    middle = slice(int(30 * rate), int(-30 * rate))
    share = index[middle] / amplitude[middle]
    np.testing.assert_allclose(share, share.mean(), rtol=0.1)
    # The mean square of an analytic signal is twice its variance.
    assert np.mean(index**2) == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(decomposer.fit_transform(10 * window[None])[0, 0], index)


def test_constant_windows():
    constant = np.full((1, 240), 0.1)
    for method in ("highpass", "smoothmedian"):
        decomposer = EDADecomposer(ALL, sampling_rate=RATE, method=method)
        raw, tonic, phasic, detrended, index = decomposer.fit_transform(constant)[0]
        np.testing.assert_array_equal(raw, 0.1)
        np.testing.assert_allclose(tonic, 0.1)
        np.testing.assert_allclose([phasic, detrended], 0, atol=1e-12)
        np.testing.assert_array_equal(index, 0)


def test_windows_are_decomposed_separately():
    decomposer = EDADecomposer(ALL, sampling_rate=RATE)
    windows = decomposer.fit_transform(EQUAL)
    alone = [decomposer.fit_transform(row[None])[0] for row in EQUAL]
    np.testing.assert_allclose(windows, alone, rtol=1e-9, atol=1e-12)


def test_input_is_not_modified():
    windows = EQUAL.copy()
    decomposed = EDADecomposer(["raw"], sampling_rate=RATE).fit_transform(windows)
    EDADecomposer(ALL, sampling_rate=RATE).fit_transform(windows)
    np.testing.assert_array_equal(windows, EQUAL)
    assert not np.shares_memory(decomposed, windows)


def test_float32_is_preserved_and_computed_in_float64():
    decomposer = EDADecomposer(ALL, sampling_rate=RATE)
    single = EQUAL.astype(np.float32)
    windows = decomposer.fit_transform(single)
    assert windows.dtype == np.float32
    expected = decomposer.fit_transform(single.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(windows, expected)


# Forms

FORMS = {
    "2-D array": (EQUAL, np.ndarray, (6, 3, 240)),
    "3-D array": (EQUAL[:, None], np.ndarray, (6, 3, 240)),
    "list of equal arrays": (list(EQUAL), np.ndarray, (6, 3, 240)),
    "list of ragged arrays": (RAGGED, np.ndarray, (5,)),
    "wide frame": (pd.DataFrame(EQUAL).add_prefix("eda_"), pd.Series, (6,)),
    "wide polars frame": (pl.DataFrame(EQUAL), np.ndarray, (6, 3, 240)),
    "Series": (pd.Series(RAGGED, name="eda"), pd.Series, (5,)),
    "frame of cells": (pd.DataFrame({"eda": list(EQUAL)}), pd.Series, (6,)),
    "Arrow list": (pa.array([row.tolist() for row in RAGGED]), np.ndarray, (5,)),
    "Arrow table": (pa.table({"eda": [row.tolist() for row in EQUAL]}), np.ndarray, (6, 3, 240)),
    "polars Series": (pl.Series([row.tolist() for row in RAGGED]), np.ndarray, (5,)),
    "polars frame": (pl.DataFrame({"eda": EQUAL}), np.ndarray, (6, 3, 240)),
}


@pytest.mark.parametrize("form", FORMS)
def test_output_has_the_form_of_the_input(form):
    X, kind, shape = FORMS[form]
    windows = EDADecomposer(sampling_rate=RATE).fit_transform(X)
    assert isinstance(windows, kind)
    assert windows.shape == shape
    rows = RAGGED if len(X) == 5 else EQUAL
    for window, row in zip(windows, rows, strict=True):
        np.testing.assert_allclose(window, expected_row(row, "highpass")[:3])


def test_row_labels_and_names_are_kept():
    index = ["d", "a", "c", "b", "e", "f"]
    cells = pd.DataFrame({"skin": list(EQUAL)}, index=index)
    wide = pd.DataFrame(EQUAL, index=index).add_prefix("eda_")
    decomposer = EDADecomposer(sampling_rate=RATE).set_output(transform="pandas")
    for X, name in ((cells, "skin"), (cells["skin"], "skin"), (wide, "eda")):
        series = decomposer.fit_transform(X)
        assert series.name == name
        assert list(series.index) == index
        np.testing.assert_array_equal(series["a"][0], EQUAL[1])


@pytest.mark.parametrize("rows", [EQUAL, RAGGED, pd.Series(RAGGED)], ids=["2-D", "list", "Series"])
def test_one_image_for_each_component(rows):
    to_images = BiosignalImageTransformer(["waveform"], modality="eda", value_range="window")
    pipeline = make_pipeline(EDADecomposer(ALL, sampling_rate=RATE), to_images)
    assert pipeline.fit_transform(rows).shape == (len(rows), 5, 224, 224, 3)
    assert len(pipeline.get_feature_names_out()) == 5


def test_between_a_filter_and_images_in_a_column_transformer(small_backbone):
    from sklearn_biomoe import TinyBioMoEEmbedder

    X = pd.DataFrame({"eda": RAGGED, "age": range(5)}, index=list("vwxyz"))
    branch = make_pipeline(
        SignalFilter(RATE, band=(None, 1.0), modality="eda"),
        EDADecomposer(sampling_rate=RATE),
        BiosignalImageTransformer(modality="eda", value_range="window"),
        TinyBioMoEEmbedder(),
    )
    model = ColumnTransformer([("eda", branch, "eda"), ("age", "passthrough", ["age"])])
    frame = model.set_output(transform="pandas").fit_transform(X)
    assert frame.shape == (5, 3 * 192 + 1)
    assert list(frame.index) == list("vwxyz")


def test_clone_and_pickle():
    decomposer = EDADecomposer(ALL, sampling_rate=RATE, method="smoothmedian").fit(EQUAL)
    windows = decomposer.transform(EQUAL)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(decomposer)).transform(EQUAL), windows)
    np.testing.assert_array_equal(clone(decomposer).fit_transform(EQUAL), windows)


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"components": ["raw", "tonik"]},
            r"Unknown component 'tonik'; .*'detrended', 'phasic', .*Did you mean 'tonic'",
        ),
        (
            {"components": "raw"},
            r"components='raw'; expected a list .*\['raw', 'tonic', 'phasic'\]",
        ),
        ({"components": []}, r"components=\[\]; expected a list of one or more"),
        ({"components": ["raw", "tonic", "raw"]}, "one or more distinct names"),
        ({"method": "hipass"}, "Unknown method 'hipass'.*Did you mean 'highpass'"),
        ({"method": "cvxeda"}, "Unknown method 'cvxeda'; .*'highpass', 'smoothmedian'"),
        ({"sampling_rate": None}, "sampling_rate=None; expected a finite number above 0 in Hz"),
        ({"sampling_rate": "4"}, "sampling_rate='4'"),
        ({"sampling_rate": 0.1}, "sampling_rate=0.1 is too low for method='highpass'.*than 0.1 Hz"),
        (
            {"sampling_rate": 0.5, "method": "smoothmedian"},
            "too low for method='smoothmedian', which requires more than 0.5 Hz; remove",
        ),
        (
            {"components": ["sympathetic"], "sampling_rate": 0.48},
            "too low for component 'sympathetic', which requires more than 0.48 Hz",
        ),
    ],
)
def test_invalid_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        EDADecomposer(**({"sampling_rate": RATE} | parameters)).fit(EQUAL)


@pytest.mark.parametrize(
    ("names", "method", "rate"),
    [
        (["tonic"], "highpass", 0.11),
        (["phasic"], "highpass", 64),
        (["tonic"], "smoothmedian", 0.6),
        (["phasic"], "smoothmedian", 3.7),
        (["phasic"], "smoothmedian", RATE),
        (["sympathetic"], "highpass", 0.49),
        (["sympathetic"], "highpass", 64),
    ],
)
def test_windows_too_short(names, method, rate):
    decomposer = EDADecomposer(names, sampling_rate=rate, method=method)
    with pytest.raises(ValueError, match="Window 0 of modality 'eda' has 2 samples, but ") as error:
        decomposer.fit(EQUAL[:, :2])
    needed = int(re.search(r"needs (\d+) or more", str(error.value))[1])
    assert np.isfinite(decomposer.fit_transform(EQUAL[:, :needed])).all()
    with pytest.raises(ValueError, match=f"Window 1 .* has {needed - 1} samples.*cut longer"):
        decomposer.fit([EQUAL[0], EQUAL[1, : needed - 1]])
    # The libraries raise or warn for one sample less.
    short = EQUAL[1, : needed - 1]
    by_library = partial(neurokit2.eda_phasic, sampling_rate=rate, method=method)
    if names == ["sympathetic"]:
        by_library = partial(sympathetic_row, rate=rate)
    with pytest.raises((ValueError, TypeError, UserWarning)):
        by_library(short)


def test_components_without_filters_accept_any_window():
    decomposer = EDADecomposer(["raw", "detrended"], sampling_rate=0.01)
    windows = decomposer.fit_transform([[3.0], [4.0]])
    np.testing.assert_allclose(windows, [[[3], [0]], [[4], [0]]], atol=1e-12)


@pytest.mark.parametrize(
    "X",
    [np.stack([EQUAL, EQUAL], axis=1), pd.DataFrame({"a": list(EQUAL), "b": list(EQUAL)})],
    ids=["3-D array", "two columns"],
)
def test_several_channels_raise(X):
    message = r"have 2 channels, but EDADecomposer accepts one; .* each X\[:, \[i\]\]"
    with pytest.raises(ValueError, match=message):
        EDADecomposer(sampling_rate=RATE).fit(X)


def test_error_for_gaps_names_the_window():
    X = EQUAL.copy()
    X[1, :3] = np.nan
    message = r"Window 1 of modality 'eda' holds 3 NaN of 240 samples.*missing='interpolate'"
    with pytest.raises(ValueError, match=message):
        EDADecomposer(sampling_rate=RATE).fit(X)


def test_other_windows_than_in_fit():
    decomposer = EDADecomposer(sampling_rate=RATE).fit(EQUAL)
    with pytest.raises(ValueError, match="239 features"):
        decomposer.transform(EQUAL[:, 1:])
    with pytest.raises(ValueError, match="have 2 channels, but EDADecomposer was fitted with 1"):
        EDADecomposer(sampling_rate=RATE).fit(RAGGED).transform([np.ones((2, 240))])


def test_neurokit_is_only_required_for_tonic_and_phasic(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    EDADecomposer(["raw", "detrended", "sympathetic"], sampling_rate=RATE).fit_transform(EQUAL)
    for name in ("tonic", "phasic"):
        message = r"require NeuroKit: pip install 'sklearn-biomoe\[eda\]', or remove them"
        with pytest.raises(ImportError, match=message):
            EDADecomposer([name], sampling_rate=RATE).fit(EQUAL)


def test_neurokit_emits_no_warnings():
    script = (
        "import numpy as np; from sklearn_biomoe import EDADecomposer; "
        "EDADecomposer(sampling_rate=4).fit_transform(np.ones((1, 240)))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_missing_windows_stay_missing():
    decomposer = EDADecomposer(["raw", "detrended"], sampling_rate=4)
    windows = np.random.default_rng(0).uniform(2, 3, size=(3, 240))
    cells = pd.Series([windows[0], None, windows[2]])
    decomposed = decomposer.fit_transform(cells)
    assert np.isnan(decomposed[1]).all()
    alone = decomposer.transform(cells[[0, 2]])
    np.testing.assert_allclose(
        np.stack([decomposed[0], decomposed[2]]), np.stack(list(alone)), rtol=1e-12
    )
