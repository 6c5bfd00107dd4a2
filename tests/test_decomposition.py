"""Skin conductance taken apart, against NeuroKit2 and scipy called window by window."""

import pickle
import sys
from unittest import SkipTest

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import signal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_biomoe import BiosignalImageTransformer, EDADecomposer
from sklearn_biomoe.signals.decomposition import COMPONENTS, _neurokit

SECONDS = np.arange(0, 60, 1 / 4)


def windows(n_windows=3, n_times=240):
    rng = np.random.default_rng(0)
    drift = np.cumsum(rng.normal(0, 0.01, (n_windows, n_times)), axis=1)
    return 5 + drift + 0.3 * np.abs(np.sin(2 * np.pi * 0.05 * np.arange(n_times) / 4)) ** 8


@parametrize_with_checks([EDADecomposer(("raw", "detrended"))])
def test_estimator_checks(estimator, check):
    try:
        check(estimator)
    except SkipTest:
        assert check.func.__name__ == "check_array_api_input"
        raise


@pytest.mark.parametrize("method", ["highpass", "smoothmedian"])
def test_tonic_and_phasic_are_neurokits(method):
    X = windows()
    found = EDADecomposer(sampling_rate=4, method=method).fit_transform(X)
    assert found.shape == (3, 3, 240)
    for (raw, tonic, phasic), window in zip(found, X, strict=True):
        expected = _neurokit().eda_phasic(window, sampling_rate=4, method=method)
        np.testing.assert_array_equal(raw, window)
        np.testing.assert_allclose(tonic, expected["EDA_Tonic"])
        np.testing.assert_allclose(phasic, expected["EDA_Phasic"])


def test_smooth_median_parts_add_up():
    X = windows()
    parts = EDADecomposer(("tonic", "phasic"), sampling_rate=4, method="smoothmedian")
    np.testing.assert_allclose(parts.fit_transform(X).sum(axis=1), X)


def test_detrended_is_scipys():
    X = windows()
    found = EDADecomposer(("detrended",)).fit_transform(X)
    np.testing.assert_allclose(found[:, 0], signal.detrend(X), atol=1e-12)


def test_sympathetic_index_follows_the_amplitude():
    amplitude = 0.2 + 0.1 * np.sin(2 * np.pi * SECONDS / 60)
    inside = amplitude * np.sin(2 * np.pi * 0.15 * SECONDS)
    outside = 2 + np.sin(2 * np.pi * 0.02 * SECONDS) + np.sin(2 * np.pi * 0.6 * SECONDS)
    found = EDADecomposer(("sympathetic",), sampling_rate=4).fit_transform([inside + outside])
    middle = slice(40, 200)
    assert np.corrcoef(found[0, 0, middle], amplitude[middle])[0, 1] > 0.95


def test_sympathetic_index_is_scipys():
    X = windows()
    sections = signal.butter(4, (0.08, 0.24), "bandpass", fs=4, output="sos")
    band = signal.sosfiltfilt(sections, X)
    expected = np.abs(signal.hilbert(band / band.std(axis=1, keepdims=True)))
    found = EDADecomposer(("sympathetic",), sampling_rate=4).fit_transform(X)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.1, 7.3])
def test_constant_windows(level):
    constant = np.full((2, 240), level)
    found = EDADecomposer(COMPONENTS, sampling_rate=4).fit_transform(constant)
    expected = [level, level, 0, 0, 0]
    for component, value in zip(np.moveaxis(found, 1, 0), expected, strict=True):
        np.testing.assert_allclose(component, value, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (np.asarray, np.ndarray),
        (lambda X: X[:, None], np.ndarray),
        (list, np.ndarray),
        (lambda X: pl.Series("eda", X.tolist()), np.ndarray),
        (lambda X: pd.DataFrame(X, index=list("abc")).add_prefix("eda_"), pd.Series),
        (lambda X: pd.Series(list(X), index=list("abc")), pd.Series),
        (lambda X: pd.DataFrame({"eda": list(X)}, index=list("abc")), pd.Series),
    ],
)
def test_every_form(make, kind):
    X = windows()
    found = EDADecomposer(("raw", "detrended")).fit_transform(make(X))
    assert isinstance(found, kind)
    np.testing.assert_array_equal(np.stack(list(found))[:, 0], X)
    if kind is pd.Series:
        assert list(found.index) == ["a", "b", "c"]


def test_windows_of_different_lengths_and_types():
    ragged = [row[:n].astype(np.float32) for row, n in zip(windows(), (240, 200, 240), strict=True)]
    found = EDADecomposer(COMPONENTS, sampling_rate=4).fit_transform(ragged)
    assert [window.shape for window in found] == [(5, 240), (5, 200), (5, 240)]
    assert {window.dtype for window in found} == {np.dtype(np.float32)}
    alone = EDADecomposer(COMPONENTS, sampling_rate=4).fit_transform(ragged[:1])
    np.testing.assert_array_equal(found[0], alone[0])


def test_before_pictures_in_a_pipeline():
    X = pd.Series(list(windows()), index=[7, 8, 9])
    decomposer = EDADecomposer(sampling_rate=4)
    drawer = BiosignalImageTransformer(["waveform_stacked"], modality="eda", value_range="window")
    pipeline = make_pipeline(decomposer, drawer)
    images = pipeline.fit_transform(X)
    assert images.shape == (3, 1, 224, 224, 3)
    assert list(images.index) == [7, 8, 9]
    copied = pickle.loads(pickle.dumps(clone(pipeline).fit(X)))
    np.testing.assert_array_equal(copied.transform(X), images)
    assert list(pipeline[0].get_feature_names_out()) == ["eda_raw", "eda_tonic", "eda_phasic"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"components": ["tonc"]}, r"Unknown component 'tonc'.*Did you mean 'tonic'"),
        ({"components": []}, "expected a list of one or more"),
        ({"components": "raw"}, "expected a list of one or more"),
        ({"components": ["raw", "raw"]}, "names one twice"),
        ({"method": "cvxeda"}, r"Unknown method 'cvxeda'; expected one of \['highpass'"),
        ({"sampling_rate": None}, "sampling_rate=None; component 'tonic' needs a number above"),
        ({"sampling_rate": 0.4}, "needs a number above 0.48 Hz"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        EDADecomposer(**{"sampling_rate": 4} | parameters).fit(windows())


def test_bad_windows():
    decomposer = EDADecomposer(("raw", "sympathetic"), sampling_rate=4)
    X = windows()
    with pytest.raises(
        ValueError, match=r"Window 1 .* has 27 samples, but component 'sympathetic'"
    ):
        decomposer.fit([X[0], X[1, :27]])
    with pytest.raises(
        ValueError, match=r"Window 0 .* has 9 samples, but component 'tonic' needs 10"
    ):
        EDADecomposer(sampling_rate=4).fit(X[:, :9])
    with pytest.raises(ValueError, match="have 2 channels; EDADecomposer takes one"):
        decomposer.fit(np.stack([X, X], axis=1))
    X[2, 5] = np.nan
    with pytest.raises(ValueError, match="Window 2 of modality 'eda' holds 1 NaN"):
        decomposer.fit(X)


def test_without_neurokit(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    EDADecomposer(("raw", "detrended", "sympathetic"), sampling_rate=4).fit(windows())
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[eda\]'"):
        EDADecomposer(sampling_rate=4).fit(windows())
