"""SignalFilter equals scipy row by row, and handles NaN by interpolation, errors or propagation."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import signal

from sklearn_biomoe import BiosignalImageTransformer, SignalFilter

RNG = np.random.default_rng(0)
RATE = 64.0
EQUAL = 5 + np.cumsum(RNG.normal(size=(6, 300)), axis=1)
RAGGED = [EQUAL[0], EQUAL[1, :200], EQUAL[2], EQUAL[3, :200], EQUAL[4, :150]]
TWO_CHANNELS = np.stack([EQUAL[:3], EQUAL[3:]], axis=1)


def butter_row(edges, kind, order=4):
    sections = signal.butter(order, edges, kind, fs=RATE, output="sos")
    return lambda row: signal.sosfiltfilt(sections, row)


def notch_row(row):
    return signal.filtfilt(*signal.iirnotch(20.0, 30.0, fs=RATE), row)


def resample_row(up, down):
    return lambda row: signal.resample_poly(row, up, down, padtype="line")


def all_steps_row(row):
    row = butter_row((0.5, 8.0), "bandpass", 2)(signal.detrend(row))
    return resample_row(1, 2)(notch_row(row))


ALL_STEPS = {"band": (0.5, 8.0), "order": 2, "notch": 20.0, "detrend": "linear", "resample_to": 32}
STEPS = {
    "bandpass": ({"band": (0.5, 8.0)}, butter_row((0.5, 8.0), "bandpass")),
    "lowpass": ({"band": (None, 8.0), "order": 3}, butter_row(8.0, "lowpass", 3)),
    "highpass": ({"band": [0.5, None]}, butter_row(0.5, "highpass")),
    "notch": ({"notch": 20}, notch_row),
    "mean": ({"detrend": "constant"}, lambda row: row - row.mean()),
    "line": ({"detrend": "linear"}, signal.detrend),
    "lower rate": ({"resample_to": 48}, resample_row(3, 4)),
    "higher rate": ({"resample_to": 100.0}, resample_row(25, 16)),
    "same rate": ({"resample_to": 64}, lambda row: row),
    "all steps": (ALL_STEPS, all_steps_row),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("rows", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_steps_equal_scipy_row_by_row(name, rows):
    parameters, expected = STEPS[name]
    windows = SignalFilter(RATE, **parameters).fit_transform(rows)
    for window, row in zip(windows, rows, strict=True):
        np.testing.assert_allclose(np.ravel(window), expected(row), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", STEPS)
def test_channels_are_filtered_separately(name):
    parameters, expected = STEPS[name]
    windows = SignalFilter(RATE, **parameters).fit_transform(TWO_CHANNELS)
    by_row = [[expected(channel) for channel in window] for window in TWO_CHANNELS]
    np.testing.assert_allclose(windows, by_row, rtol=1e-9, atol=1e-9)


def test_resampling_keeps_the_level_at_the_ends():
    line = np.linspace(5.0, 8.0, 241)[None]
    slower = SignalFilter(4.0, resample_to=1.0).fit_transform(line)
    np.testing.assert_allclose(slower[0], np.linspace(5.0, 8.0, 61), atol=0.005)


def test_input_is_not_modified():
    windows = EQUAL.copy()
    windows[1, 3] = np.nan
    before = windows.copy()
    for missing in ("interpolate", "propagate"):
        SignalFilter(RATE, band=(0.5, 8.0), missing=missing).fit_transform(windows)
        SignalFilter(missing=missing).fit_transform(windows)
    np.testing.assert_array_equal(windows, before)


@pytest.mark.parametrize("missing", ["error", "interpolate", "propagate"])
def test_no_steps_return_the_input(missing):
    np.testing.assert_array_equal(SignalFilter(missing=missing).fit_transform(EQUAL), EQUAL)


def test_float32_is_preserved_and_filtered_in_float64():
    steps = SignalFilter(RATE, band=(0.5, 8.0))
    single = EQUAL.astype(np.float32)
    filtered = steps.fit_transform(single)
    assert filtered.dtype == np.float32
    expected = steps.fit_transform(single.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(filtered, expected)


# Forms

FORMS = {
    "2-D array": (EQUAL, np.ndarray, (6, 300)),
    "3-D array": (TWO_CHANNELS, np.ndarray, (3, 2, 300)),
    "list of equal arrays": (list(EQUAL), np.ndarray, (6, 1, 300)),
    "list of ragged arrays": (RAGGED, np.ndarray, (5,)),
    "wide frame": (pd.DataFrame(EQUAL).add_prefix("bvp_"), pd.DataFrame, (6, 300)),
    "wide polars frame": (pl.DataFrame(EQUAL), np.ndarray, (6, 300)),
    "Series": (pd.Series(RAGGED, name="bvp"), pd.Series, (5,)),
    "Series of two channels": (pd.Series(list(TWO_CHANNELS)), pd.Series, (3,)),
    "frame of cells": (pd.DataFrame({"bvp": list(EQUAL)}), pd.Series, (6,)),
    "two columns of cells": (pd.DataFrame({"a": list(EQUAL), "b": list(EQUAL)}), pd.Series, (6,)),
    "Arrow list": (pa.array([row.tolist() for row in RAGGED]), np.ndarray, (5,)),
    "Arrow table": (pa.table({"bvp": [row.tolist() for row in EQUAL]}), np.ndarray, (6, 1, 300)),
    "polars Series": (pl.Series([row.tolist() for row in RAGGED]), np.ndarray, (5,)),
    "polars frame": (pl.DataFrame({"bvp": EQUAL}), np.ndarray, (6, 1, 300)),
}


@pytest.mark.parametrize("form", FORMS)
def test_output_has_the_form_of_the_input(form):
    X, kind, shape = FORMS[form]
    steps = SignalFilter(RATE, band=(0.5, 8.0), modality="bvp")
    windows = steps.fit_transform(X)
    assert isinstance(windows, kind)
    assert windows.shape == shape
    images = BiosignalImageTransformer(["waveform"], modality="bvp", image_size=32).fit_transform(
        windows
    )
    assert len(images) == len(X)


def test_row_labels_and_names_are_kept():
    index = ["d", "a", "c", "b", "e", "f"]
    cells = pd.DataFrame({"bvp": list(EQUAL)}, index=index)
    steps = SignalFilter(RATE, detrend="constant")
    for X in (cells, cells["bvp"]):
        series = steps.fit_transform(X)
        assert series.name == "bvp"
        pd.testing.assert_index_equal(series.index, cells.index)
        np.testing.assert_allclose(series["a"], EQUAL[1] - EQUAL[1].mean())
    wide = pd.DataFrame(EQUAL, index=index).add_prefix("bvp_")
    frame = steps.fit_transform(wide)
    assert frame.index.equals(wide.index)
    assert frame.columns.equals(wide.columns)


def test_resampled_wide_columns_get_new_names():
    wide = pd.DataFrame(EQUAL).add_prefix("bvp_")
    steps = SignalFilter(RATE, resample_to=32.0, modality="bvp").fit(wide)
    expected = [f"bvp_{i}" for i in range(150)]
    assert list(steps.get_feature_names_out()) == expected
    assert list(steps.transform(wide).columns) == expected
    assert list(SignalFilter().fit(wide).get_feature_names_out()) == list(wide.columns)
    assert list(steps.fit(wide.to_numpy()).get_feature_names_out()) == expected


# Gaps


def with_gaps(rows):
    rows = [row.copy() for row in rows]
    rows[1][[0, 1, 7, 8, 9, 40, -1]] = np.nan
    rows[2][100] = np.nan
    return rows


@pytest.mark.parametrize("rows", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_interpolation_equals_numpy_row_by_row(rows):
    windows = SignalFilter(missing="interpolate").fit_transform(with_gaps(rows))
    for window, row in zip(windows, with_gaps(rows), strict=True):
        known = np.flatnonzero(~np.isnan(row))
        expected = np.interp(np.arange(len(row)), known, row[known])
        np.testing.assert_allclose(np.ravel(window), expected, rtol=1e-12)
        np.testing.assert_array_equal(np.ravel(window)[known], row[known])


def test_gaps_are_filled_before_filtering():
    filled = SignalFilter(missing="interpolate").fit_transform(np.stack(with_gaps(EQUAL)))
    steps = SignalFilter(RATE, band=(0.5, 8.0), missing="interpolate")
    expected = SignalFilter(RATE, band=(0.5, 8.0)).fit_transform(filled)
    np.testing.assert_array_equal(steps.fit_transform(np.stack(with_gaps(EQUAL))), expected)


@pytest.mark.parametrize("step", [{"band": (0.5, 8.0)}, {"detrend": "linear"}, {"resample_to": 32}])
def test_propagated_gaps_touch_no_other_channel(step):
    X = TWO_CHANNELS.copy()
    X[1, 0, 5] = np.nan
    windows = SignalFilter(RATE, missing="propagate", **step).fit_transform(X)
    assert np.isnan(windows[1, 0]).all()
    whole = SignalFilter(RATE, **step).fit_transform(TWO_CHANNELS)
    others = [0, 0, 1, 2, 2], [0, 1, 1, 0, 1]
    np.testing.assert_array_equal(windows[others], whole[others])


@pytest.mark.parametrize("as_cells", [False, True])
def test_error_for_gaps_names_the_window(as_cells):
    X = with_gaps(EQUAL) if as_cells else np.stack(with_gaps(EQUAL))
    message = r"Window 1 of modality 'eda' holds 7 NaN of 300 samples.*missing='interpolate'"
    with pytest.raises(ValueError, match=message):
        SignalFilter(modality="eda").fit(X)


def test_infinity_raises():
    X = EQUAL.copy()
    X[2, 3] = np.inf
    for missing in ("error", "interpolate", "propagate"):
        with pytest.raises(ValueError, match="Window 2 of modality 'generic' holds 1 infinite"):
            SignalFilter(missing=missing).fit(X)


def test_a_dead_channel_stays_nan_and_the_others_are_filtered():
    X = TWO_CHANNELS.copy()
    X[2, 1] = np.nan
    X[0, 0, 3] = np.nan
    steps = SignalFilter(100.0, detrend="linear", resample_to=50.0, missing="interpolate")
    filtered = steps.fit_transform(X)
    assert np.isnan(filtered[2, 1]).all()
    assert np.isnan(filtered).sum() == filtered.shape[-1]
    np.testing.assert_allclose(filtered[2, 0], steps.transform(TWO_CHANNELS)[2, 0], atol=1e-12)


@pytest.mark.parametrize("missing", ["error", "interpolate", "propagate"])
def test_missing_windows_stay_missing(missing):
    X = TWO_CHANNELS[:, 0].copy()
    X[2] = np.nan
    others = np.delete(X, 2, axis=0)
    filtered = SignalFilter(25, band=(None, 5.0), resample_to=10, missing=missing)
    windows = filtered.fit_transform(X)
    assert np.isnan(windows[2]).all()
    assert np.array_equal(np.delete(windows, 2, axis=0), filtered.transform(others))
    cells = pd.Series([window if i != 2 else None for i, window in enumerate(X)])
    assert filtered.fit_transform(cells).tolist()[2].shape == windows[2].shape
    alone = filtered.transform(cells[[2]])
    assert np.isnan(alone[2]).all()
    assert alone[2].shape == windows[2].shape


# Errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sampling_rate": None, "band": (1, 2)}, r"band=\(1, 2\) requires sampling_rate in Hz"),
        ({"sampling_rate": None, "notch": 50.0}, "notch=50.0 requires sampling_rate"),
        ({"sampling_rate": None, "resample_to": 4}, "resample_to=4 requires sampling_rate"),
        ({"sampling_rate": 0}, "sampling_rate=0"),
        ({"sampling_rate": "64"}, "sampling_rate='64'"),
        ({"band": (1.0, 32.0)}, "contains 32 Hz, which is not below the Nyquist frequency, 32 Hz"),
        ({"notch": 50.0}, r"notch=50.0 contains 50 Hz, .* 32 Hz .*pass a lower frequency\."),
        ({"notch": 0}, "notch=0; expected a finite number above 0 in Hz"),
        ({"band": (0, 8.0)}, r"band=\(0, 8.0\); expected a finite number above 0 in Hz"),
        ({"band": (8.0, 1.0)}, "expected low < high"),
        ({"band": (8.0, 8.0)}, "expected low < high"),
        ({"band": (None, None)}, "keeps all frequencies; pass band=None"),
        ({"band": 8.0}, r"expected 'preset', or \(low, high\)"),
        ({"band": (1, 2, 3)}, r"expected 'preset', or \(low, high\)"),
        ({"band": (1, 2), "order": 0}, "order=0"),
        ({"notch": 20, "notch_quality": -1}, r"notch_quality=-1; .*above 0\."),
        ({"band": "preset"}, r"modality='generic' has no preset.*\['bvp', 'ecg'"),
        (
            {"sampling_rate": 8, "band": "preset", "modality": "bvp"},
            r"band=\(0.5, 8.0\) contains 8 Hz, which is not below the Nyquist frequency, 4 Hz",
        ),
        ({"detrend": "konstant"}, "Unknown detrend 'konstant'.*Did you mean 'constant'"),
        ({"missing": "drop"}, "Unknown missing 'drop'"),
        ({"modality": "bpv"}, "Did you mean 'bvp'"),
        ({"resample_to": -1}, "resample_to=-1"),
        ({"resample_to": 64 / np.pi}, "at most 1000; the nearest possible rate is 20.37.* Hz"),
    ],
)
def test_invalid_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        SignalFilter(**({"sampling_rate": 64} | parameters)).fit(EQUAL)


@pytest.mark.parametrize(
    "parameters",
    [{"band": (0.5, 8.0)}, {"band": (None, 8.0), "order": 3}, {"band": (1.0, None)}, {"notch": 20}],
)
def test_windows_shorter_than_the_padding(parameters):
    steps = SignalFilter(RATE, **parameters, modality="bvp")
    with pytest.raises(ValueError, match="Window 0 of modality 'bvp' has 2 samples") as error:
        steps.fit(EQUAL[:, :2])
    needed = int(re.search(r"needs (\d+) or more", str(error.value))[1])
    steps.fit_transform(EQUAL[:, :needed])
    ragged = [EQUAL[0], EQUAL[1, : needed - 1]]
    with pytest.raises(ValueError, match=f"Window 1 .* has {needed - 1} samples"):
        steps.fit(ragged)


def test_other_windows_than_in_fit():
    with pytest.raises(ValueError, match="have 1 channels, but SignalFilter was fitted with 2"):
        SignalFilter().fit(list(TWO_CHANNELS)).transform(RAGGED)
    with pytest.raises(ValueError, match="299 features"):
        SignalFilter().fit(EQUAL).transform(EQUAL[:, 1:])
