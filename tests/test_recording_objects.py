"""Recordings from objects in memory: of MNE, pandas frames and dictionaries."""

import pickle
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.recordings import (
    Channel,
    Recording,
    RecordingError,
    list_channels,
    read_recording,
)


def test_a_dictionary_of_arrays():
    arrays = {"eda": [1, 2, 3], "bvp": np.ma.masked_equal([1.0, 9.0, 3.0], 9.0)}
    recording = read_recording(arrays, sampling_rate={"eda": 4, "bvp": 64})
    assert recording["eda"].samples.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(recording["bvp"].samples, [1, np.nan, 3])
    assert [c.sampling_rate for c in recording.channels.values()] == [4, 64]
    assert recording.source == "dict"
    assert list(read_recording(arrays, "bvp", sampling_rate=64).channels) == ["bvp"]
    assert list_channels(arrays)["n_samples"].tolist() == [3, 3]
    assert list_channels(arrays)["sampling_rate"].isna().all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"eda": [1.0, 2.0]}, "dict: Channel 'eda' has no sampling rate; pass sampling_rate in Hz"),
        ({"eda": np.zeros((2, 9))}, r"dict: Channel 'eda': The samples have shape \(2, 9\)"),
        ({"eda": ["a"]}, "Channel 'eda': .* dtype <U1; expected numbers"),
        ({"eda": [True]}, "Channel 'eda': .* dtype bool; expected numbers"),
        ({1: [1.0]}, "dict: 1 is not the name of a channel; expected text"),
        (4, "int: expected a path, an mne.io.Raw, a pandas DataFrame, or a mapping of names to"),
        (pd.DataFrame({"eda": [1.0]}), "DataFrame: Channel 'eda' has no sampling rate"),
        (
            pd.DataFrame({"eda": [1.0, 2.0]}, index=[0, 4]),
            "The index is a Index of int64; expected",
        ),
    ],
)
def test_objects_that_are_refused(source, message):
    rate = 4 if isinstance(source, dict) and "no sampling" not in message else None
    with pytest.raises(RecordingError, match=message):
        read_recording(source, sampling_rate=rate)


TIMES = pd.Timestamp("2024-03-01 12:00") + pd.to_timedelta([0, 0.25, 1], unit="s")


@pytest.mark.parametrize(
    ("index", "start"),
    [
        (TIMES, datetime(2024, 3, 1, 12)),
        (TIMES.tz_localize("Europe/Berlin"), TIMES[0].tz_localize("Europe/Berlin")),
        (TIMES - TIMES[0], None),
        (pd.Index([0.0, 0.25, 1.0], name="seconds"), None),
    ],
)
def test_frames_with_times(index, start):
    """The rate is the one of the times; a gap between them is missing samples."""
    frame = pd.DataFrame({"EDA": [0.5, 0.6, 0.9], "label": list("abc"), "on": True}, index=index)
    recording = read_recording(frame, sampling_rate=4)
    np.testing.assert_array_equal(recording["EDA"].samples, [0.5, 0.6, np.nan, np.nan, 0.9])
    assert (recording.start_time, recording["EDA"].sampling_rate) == (start, 4)
    assert recording.notes[0] == "Columns that are not numbers are left out: label, on."
    assert list_channels(frame).values.tolist() == [["EDA", 4.0, "", 1.25, 5]]
    with pytest.raises(RecordingError, match=r"'EDA' is recorded at 4 Hz, but sampling_rate is 64"):
        read_recording(frame, sampling_rate=64)
    with pytest.raises(RecordingError, match=r"Column 'label' has the dtype .*; expected numbers"):
        read_recording(frame, "label")


@pytest.mark.parametrize("kind", ["float", "timedelta"])
def test_times_that_do_not_begin_at_zero(kind):
    """Samples keep their times, so that events on the same clock are at the right place."""
    seconds = pd.Index([7.0, 7.25, 8.0])
    index = pd.to_timedelta(seconds, unit="s") if kind == "timedelta" else seconds
    recording = read_recording(pd.DataFrame({"EDA": [0.5, 0.6, 0.9]}, index=index))
    samples = recording["EDA"].samples
    assert np.isnan(samples[:28]).all()
    np.testing.assert_array_equal(samples[28:], [0.5, 0.6, np.nan, np.nan, 0.9])
    before = pd.DataFrame({"EDA": [0.5, 0.6, 0.9]}, index=index - index[1])
    with pytest.raises(RecordingError, match=r"first time is -0.25 s, before the start"):
        read_recording(before)


def test_times_across_a_clock_change():
    times = pd.date_range("2024-10-27 00:59:59", periods=8, freq="250ms", tz="UTC")
    recording = read_recording(
        pd.DataFrame({"eda": np.arange(8.0)}, index=times.tz_convert("Europe/Berlin"))
    )
    assert recording["eda"].samples.tolist() == list(range(8))


def test_frames_without_times():
    frame = pd.DataFrame({"EDA_Raw": [1, 2], "EDA_Clean": pd.array([1.5, None], dtype="Float64")})
    recording = read_recording(frame, sampling_rate=100)
    np.testing.assert_array_equal(recording["EDA_Clean"].samples, [1.5, np.nan])
    assert recording["EDA_Raw"].samples.tolist() == [1, 2]


def test_rates_by_name_of_frames_with_times():
    """A frame with times takes a rate by name as it takes one for all channels."""
    one = pd.DataFrame({"eda": [0.5], "bvp": [1.0]}, index=TIMES[:1])
    rates = {"eda": 4, "bvp": 4}
    assert read_recording(one, sampling_rate=rates)["bvp"].sampling_rate == 4
    assert read_recording(one, "eda", sampling_rate={"eda": 4})["eda"].samples.tolist() == [0.5]
    rounded = pd.DataFrame({"eda": np.arange(40.0)}, index=np.round(np.arange(40) / 3.9, 2))
    for rate in (3.9, {"eda": 3.9}):  # the times alone state 3.9003 Hz
        read = read_recording(rounded, sampling_rate=rate)["eda"]
        assert (read.sampling_rate, read.samples.tolist()) == (3.9, list(range(40)))


def test_one_time_has_no_rate():
    listed = list_channels(pd.DataFrame({"eda": [0.5]}, index=[7.0]))
    assert listed["sampling_rate"].isna().all()
    assert listed["n_samples"].tolist() == [1]


def test_irregular_frames():
    with pytest.raises(RecordingError, match="pass irregular='interpolate'"):
        read_recording(pd.DataFrame({"eda": range(400)}, index=irregular(400)))
    found = read_recording(
        pd.DataFrame({"eda": 2 * irregular(400)}, index=irregular(400)), irregular="interpolate"
    )["eda"]
    expected = 2 * np.arange(len(found.samples)) / found.sampling_rate
    np.testing.assert_allclose(found.samples, expected, atol=1e-9)


def irregular(n_times):
    times = np.cumsum(np.random.default_rng(0).uniform(0.2, 0.28, n_times))
    return times - times[0]


def fake_raw(first_samp=0, annotations=()):
    """Return what `mne.io.Raw` has and the reader uses: 10 s of two channels at 100 Hz."""
    data = np.vstack([np.arange(1000) * 1e-6, np.ones(1000)])
    onsets, durations, texts = zip(*annotations, strict=True) if annotations else ((), (), ())
    return SimpleNamespace(
        ch_names=["Fz", "EDA"],
        info={
            "sfreq": 100.0,
            "chs": [{"unit": 107}, {"unit": 0}],
            "meas_date": datetime(2024, 3, 1, 12, tzinfo=UTC),
            "subject_info": {"his_id": "P01"},
        },
        first_samp=first_samp,
        annotations=SimpleNamespace(onset=onsets, duration=durations, description=texts),
        get_data=lambda picks: data[picks],
    )


def test_raw_of_mne():
    raw = fake_raw(annotations=[(2.0, 0.0, "pain"), (4.0, 1.0, "BAD_ACQ_SKIP")])
    recording = read_recording(raw)
    assert (recording["Fz"].unit, recording["EDA"].unit) == ("V", "")
    assert np.flatnonzero(np.isnan(recording["Fz"].samples)).tolist() == list(range(400, 500))
    np.testing.assert_allclose(recording["Fz"].samples[:400], np.arange(400) * 1e-6)
    assert recording.annotations["label"].tolist() == ["pain", "BAD_ACQ_SKIP"]
    assert (recording.subject, recording.source) == ("P01", "SimpleNamespace")
    assert recording.start_time == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert list(read_recording(raw, "EDA").channels) == ["EDA"]


def test_cropped_raw_of_mne():
    """Annotations of MNE count from the measurement date, not from the first sample."""
    raw = fake_raw(200, [(2.5, 1.0, "pain"), (6.0, 0.0, "BAD boundary")])
    recording = read_recording(raw)
    assert recording.annotations["onset"].tolist() == [0.5, 4.0]
    assert recording.start_time == datetime(2024, 3, 1, 12, 0, 2, tzinfo=UTC)
    assert recording.notes[0].startswith("Parts were joined at 4 s")


def test_real_raw_of_mne():
    mne = pytest.importorskip("mne", reason="mne is not installed")
    info = mne.create_info(["EDA", "Fz"], 100.0, ["misc", "eeg"])
    raw = mne.io.RawArray(np.vstack([np.arange(1000.0), np.ones(1000)]), info, verbose="error")
    raw.set_annotations(mne.Annotations([1.5, 3.0], [0.5, 0.0], ["pain", "end"]))
    whole, cropped = read_recording(raw), read_recording(raw.copy().crop(1.0, 5.0))
    assert whole.annotations["onset"].tolist() == [1.5, 3.0]
    np.testing.assert_allclose(cropped.annotations["onset"], [0.5, 2.0])
    assert cropped["EDA"].samples[0] == 100
    assert (whole["Fz"].unit, whole["EDA"].sampling_rate) == ("V", 100)


def test_a_recording_is_selected_from_and_resampled():
    recording = Recording({"a": Channel(np.ones(8), 4), "b": Channel(np.ones(4), 2)}, subject="S1")
    resampled = read_recording(recording, "a", resample_to=2)
    assert (list(resampled.channels), len(resampled["a"].samples)) == (["a"], 4)
    assert resampled.subject == "S1"
    assert list_channels(recording)["sampling_rate"].tolist() == [4, 2]


def test_recordings_are_read_only_and_can_be_pickled():
    recording = Recording({"a": Channel([1.0, np.nan], 4, "µS")}, notes=("Noted.",))
    with pytest.raises(ValueError, match="read-only"):
        recording["a"].samples[0] = 2
    with pytest.raises(TypeError):
        recording.channels["b"] = recording["a"]
    with pytest.raises(KeyError, match="no channel 'b'; its channels are 'a'"):
        recording["b"]
    copy = pickle.loads(pickle.dumps(recording))
    np.testing.assert_array_equal(copy["a"].samples, recording["a"].samples)
    assert repr(copy) == repr(recording)
    assert repr(copy).splitlines() == [
        "Recording: 0.5 s, 1 channel, 0 annotations",
        "  a: 2 samples at 4 Hz, 0.5 s, 1 missing, in µS",
        "  Note: Noted.",
    ]


def test_the_given_array_stays_writable():
    samples = np.ones(4)
    Channel(samples, 4)
    samples[0] = 2
