"""Windows have the right start times, and every dropped window is listed."""

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.signals import cut_windows


def recordings(**seconds):
    """Return signals whose values are sample numbers, which identify a window's position."""
    return {
        subject: {"eda": np.arange(4.0 * length), "bvp": np.arange(64.0 * length)}
        for subject, length in seconds.items()
    }


RATES = {"eda": 4, "bvp": 64.0}


def test_windows_start_at_the_same_times():
    given = recordings(a=100, b=65)
    windows = cut_windows(given, RATES, duration=30, step=15)
    assert windows.groups.tolist() == ["a"] * 5 + ["b"] * 3
    assert windows.start_times.tolist() == [0, 15, 30, 45, 60, 0, 15, 30]
    assert list(windows.data.columns) == ["subject", "eda", "bvp"]
    assert windows.target is None
    for row, start in zip(windows.data.itertuples(), windows.start_times, strict=True):
        np.testing.assert_array_equal(row.eda, np.arange(start * 4, start * 4 + 120))
        np.testing.assert_array_equal(row.bvp, np.arange(start * 64, start * 64 + 1920))
        assert np.shares_memory(row.bvp, given[row.subject]["bvp"])
    with pytest.raises(ValueError, match="read-only"):
        windows.data["eda"][0][0] = 1.0
    given["a"]["eda"][0] = 7.0  # the input array stays writable
    assert windows.data["eda"][0][0] == 7.0


def test_every_start_is_a_window_or_dropped():
    windows = cut_windows(recordings(a=100, b=20), RATES, duration=30)
    assert windows.start_times.tolist() == [0, 30, 60]
    assert windows.dropped.to_dict("list") == {
        "subject": ["a", "b"],
        "start_time": [90.0, 0.0],
        "reason": ["past the end of 'eda'"] * 2,
    }


def test_shortest_signal_limits_the_windows():
    given = recordings(a=60)
    given["a"]["bvp"] = given["a"]["bvp"][:-1]
    windows = cut_windows(given, RATES, duration=20)
    assert windows.start_times.tolist() == [0, 20]
    assert windows.dropped["reason"].tolist() == ["past the end of 'bvp'"]


def test_fractional_times_and_rates():
    given = {1: {"eda": np.arange(1000.0)}}
    windows = cut_windows(given, {"eda": 10}, duration=0.3, step=0.1)
    firsts = [cell[0] for cell in windows.data["eda"]]
    np.testing.assert_array_equal(firsts, np.arange(998))
    assert {len(cell) for cell in windows.data["eda"]} == {3}
    odd = cut_windows({1: {"ecg": np.arange(1000.0)}}, {"ecg": 51.2}, duration=1)
    assert {len(cell) for cell in odd.data["ecg"]} == {51}
    np.testing.assert_allclose(
        [cell[0] for cell in odd.data["ecg"]], 51.2 * np.arange(19), atol=0.5
    )


def test_channels_and_frames():
    given = {"a": pd.DataFrame({"x": np.arange(40), "y": 0.0}), "b": {"x": np.zeros((3, 40))}}
    windows = cut_windows(given, {"x": 4}, duration=5)
    assert [cell.shape for cell in windows.data["x"]] == [(20,), (20,), (3, 20), (3, 20)]
    assert list(windows.data.columns) == ["subject", "x"]


def test_masked_samples_are_nan():
    values = np.ma.masked_equal(np.arange(40), 7)
    two = np.ma.masked_equal(np.arange(80.0).reshape(2, 40), 45)
    cells = cut_windows({"a": {"x": values}, "b": {"x": two}}, {"x": 4}, duration=5).data["x"]
    np.testing.assert_array_equal(cells[0], [*range(7), np.nan, *range(8, 20)])
    np.testing.assert_array_equal(np.argwhere(np.isnan(cells[2])), [[1, 5]])
    np.testing.assert_array_equal(cells[3], two.data[:, 20:])


LABELS = {"a": [0] * 30 + [1] * 20 + [np.nan] * 10}  # one each second


@pytest.mark.parametrize(
    ("mixed", "reasons"),
    [
        ("drop", {24: "mixed labels", 48: "partly without a label"}),
        # [24, 36) is half 0, half 1; [48, 60) is 1 for 2 s and without label for 10 s.
        ("majority", {24: "tied labels", 48: "no label"}),
    ],
)
def test_windows_with_several_labels(mixed, reasons):
    windows = cut_windows(recordings(a=60), RATES, duration=12, labels=LABELS, mixed=mixed)
    assert windows.target.tolist() == [0, 0, 1]
    assert windows.start_times.tolist() == [0, 12, 36]
    dropped = zip(windows.dropped["start_time"], windows.dropped["reason"], strict=True)
    assert dict(dropped) == reasons


def test_majority_is_by_time():
    given, labels = recordings(a=10), {"a": list("xyyxxxxxxx")}
    windows = cut_windows(
        given, RATES, duration=1.75, step=0.5, labels=labels, mixed="majority", label_rate=1
    )
    # [0, 1.75) is 1 s of x; [0.5, 2.25) and [1.5, 3.25) are mostly y; [2, 3.75) is y by 1 s.
    assert windows.target[:6].tolist() == list("xyyyyx")


def test_rounding_errors_do_not_mix_labels():
    given, labels = {1: {"eda": np.zeros(1000)}}, {1: np.arange(100) % 2}
    windows = cut_windows(given, {"eda": 100}, duration=0.1, labels=labels, label_rate=10)
    np.testing.assert_array_equal(windows.target, labels[1])


def test_labels_per_sample():
    given = recordings(a=60)
    per_second = np.repeat(["rest", "pain"], 30)
    expected = cut_windows(given, RATES, duration=10, labels={"a": per_second})
    windows = cut_windows(
        given, RATES, duration=10, labels={"a": np.repeat(per_second, 64)}, label_rate=64
    )
    assert windows.target.tolist() == expected.target.tolist() == ["rest"] * 3 + ["pain"] * 3
    assert windows.dropped.empty


@pytest.mark.parametrize("missing", [None, np.nan])
def test_labels_may_differ_between_subjects_and_end_early(missing):
    labels = {"a": ["rest"] * 60, "b": ["pain"] * 20 + [missing] * 20}
    windows = cut_windows(recordings(a=60, b=60), RATES, duration=20, labels=labels)
    assert windows.target.tolist() == ["rest"] * 3 + ["pain"]
    assert windows.groups.tolist() == ["a"] * 3 + ["b"]
    assert windows.dropped["reason"].tolist() == ["no label"] * 2
    assert windows.dropped["start_time"].tolist() == [20, 40]


GOOD = {"recordings": recordings(a=60), "sampling_rates": RATES, "duration": 10}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": 0}, "duration=0; expected a finite number above 0 in seconds"),
        ({"step": -1}, "step=-1; expected a finite number above 0 in seconds"),
        ({"label_rate": "1"}, "label_rate='1'; expected a finite number above 0 in Hz"),
        ({"sampling_rates": {"eda": None}}, r"sampling_rates\['eda'\]=None"),
        ({"sampling_rates": {}}, "sampling_rates is empty"),
        ({"duration": 0.1}, "shorter than a sample of 'eda' at 4 Hz"),
        ({"sampling_rates": {"ecg": 4}}, r"subject 'a' has no 'ecg', only \['bvp', 'eda'\]"),
        ({"recordings": recordings(a=60)["a"]}, "recording of 'eda' is a ndarray"),
        ({"recordings": {}}, "recordings is empty"),
        ({"recordings": {"a": {"eda": "x", "bvp": [1]}}}, "Signal 'eda' of subject 'a' has shape"),
        ({"labels": {}}, "Subject 'a' has no labels"),
        ({"labels": {"a": [0] * 240}}, "240 labels, which at label_rate=1 last 180 s longer"),
        ({"labels": {"a": [0] * 25 + [1] * 35}, "mixed": "raise"}, "'a' that starts at 20 s has"),
        ({"mixed": "most"}, "Unknown mixed 'most'"),
        ({"duration": 61}, "All windows of 61 s are dropped: 1 past the end of 'eda'."),
        ({"labels": {"a": []}}, "All windows of 10 s are dropped: 6 no label."),
    ],
)
def test_invalid_input(changes, message):
    with pytest.raises(ValueError, match=message):
        cut_windows(**{**GOOD, **changes})
