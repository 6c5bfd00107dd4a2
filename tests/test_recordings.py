"""Recordings read from files, against what was written into them by the formats' own libraries."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

from sklearn_biomoe.recordings import (
    Channel,
    Recording,
    RecordingError,
    list_channels,
    read_recording,
)
from sklearn_biomoe.recordings.formats import name_channels
from sklearn_biomoe.recordings.resampling import resample

SECONDS = np.arange(0, 20, 1 / 64)
PULSE = np.sin(2 * np.pi * 1.2 * SECONDS)
SLOW = 5 + np.sin(2 * np.pi * 0.2 * SECONDS)[::16]


def as_csv(folder):
    pd.DataFrame({"pulse": PULSE, "other": 0.0}).to_csv(folder / "S1.csv", index=False)
    return folder / "S1.csv"


def as_parquet(folder):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"other": 0.0, "pulse": PULSE}).to_parquet(folder / "S1.parquet")
    return folder / "S1.parquet"


def as_edf(folder):
    edfio = pytest.importorskip("edfio")
    signals = [("slow", SLOW, 4), ("pulse", PULSE, 64), ("double", SLOW, 4), ("double", SLOW, 4)]
    edf = edfio.Edf([edfio.EdfSignal(data, rate, label=name) for name, data, rate in signals])
    edf.write(folder / "S1.edf")
    return folder / "S1.edf"


def as_wfdb(folder):
    wfdb = pytest.importorskip("wfdb")
    both = np.column_stack([np.zeros_like(PULSE), PULSE])
    names = {"units": ["mV", "mV"], "sig_name": ["other", "pulse"], "fmt": ["16", "16"]}
    wfdb.wrsamp("S1", fs=64, p_signal=both, write_dir=str(folder), **names)
    return folder / "S1.hea"


FORMATS = {"csv": (as_csv, 64), "parquet": (as_parquet, 64), "edf": (as_edf, None)}
FORMATS["wfdb"] = (as_wfdb, None)


@pytest.mark.parametrize("name", FORMATS)
def test_a_channel_by_its_name(name, tmp_path):
    write, rate = FORMATS[name]
    recording = read_recording(write(tmp_path), "pulse", sampling_rate=rate)
    pulse = recording["pulse"]
    assert (list(recording.channels), pulse.sampling_rate) == (["pulse"], 64.0)
    np.testing.assert_allclose(pulse.samples, PULSE, atol=1e-4)  # 16 bits


def test_channels_have_their_own_rates(tmp_path):
    path = as_edf(tmp_path)
    recording = read_recording(path, ["pulse", "slow"])
    assert [channel.sampling_rate for channel in recording.channels.values()] == [64, 4]
    resampled = read_recording(path, ["slow", "pulse"], resample_to=32)
    assert {(len(c.samples), c.sampling_rate) for c in resampled.channels.values()} == {(640, 32)}
    expected = resample_poly(SLOW, 8, 1, padtype="line")
    np.testing.assert_allclose(resampled["slow"].samples, expected, atol=1e-3)


def test_channels_of_one_wfdb_record_at_different_rates(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    wfdb.wrsamp(
        "S1",
        fs=4,
        units=["mV", "mV"],
        sig_name=["slow", "pulse"],
        fmt=["16", "16"],
        samps_per_frame=[1, 16],
        e_p_signal=[SLOW, PULSE],
        write_dir=str(tmp_path),
    )
    pulse = read_recording(tmp_path / "S1.hea", "pulse")["pulse"]
    assert pulse.sampling_rate == 64.0
    np.testing.assert_allclose(pulse.samples, PULSE, atol=1e-4)


def test_gaps_stay_gaps(tmp_path):
    pulse = PULSE.copy()
    pulse[640:704] = np.nan
    path = tmp_path / "S1.csv"
    pd.DataFrame({"pulse": pulse}).to_csv(path, index=False)
    plain = read_recording(path, "pulse", sampling_rate=64)["pulse"].samples
    np.testing.assert_array_equal(plain, pulse)
    resampled = read_recording(path, "pulse", sampling_rate=64, resample_to=32)["pulse"].samples
    assert np.flatnonzero(np.isnan(resampled)).tolist() == list(range(320, 352))
    np.testing.assert_allclose(resampled[40:280], PULSE[80:560:2], atol=0.01)


@pytest.mark.parametrize(
    ("name", "channels", "options", "message"),
    [
        ("csv", "12", {"sampling_rate": 64}, "no channel '12'; the channels are 'pulse', 'other'"),
        ("csv", "pulse", {}, "channel 'pulse' has no sampling rate; pass sampling_rate in Hz"),
        ("edf", "pulse", {"sampling_rate": 4}, "'pulse' is recorded at 64 Hz, but .* is 4 Hz"),
        ("edf", "double", {}, "2 channels are called 'double'; pass one of 'double #1', 'double"),
        ("wfdb", "eda", {}, "no channel 'eda'; the channels are 'other', 'pulse'"),
        ("parquet", "eda", {"sampling_rate": 64}, "no channel 'eda'"),
    ],
)
def test_refused(name, channels, options, message, tmp_path):
    path = FORMATS[name][0](tmp_path)
    with pytest.raises(RecordingError, match=f"S1.*{message}"):
        read_recording(path, channels, **options)


@pytest.mark.parametrize("suffix", [".parquet", ".hea"])
def test_damaged_files_are_named(suffix, tmp_path):
    path = tmp_path / f"S1{suffix}"
    path.write_bytes(b"pulse\nno number\n" * 20)
    rate = 64 if suffix == ".parquet" else None
    with pytest.raises(RecordingError, match=rf"S1\{suffix} cannot be read"):
        read_recording(path, ["pulse"], sampling_rate=rate)


def test_rates_of_channels_that_are_not_read(tmp_path):
    path = tmp_path / "S1.csv"
    path.write_text("time,eda\n" + "".join(f"{i / 4},{i}\n" for i in range(20)))
    with pytest.raises(RecordingError, match=r"S1\.csv: There is no channel 'edaa'; the channels"):
        read_recording(path, "eda", sampling_rate={"edaa": 4})


def test_missing_files_and_other_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*S1\.edf"):
        read_recording(tmp_path / "S1.edf", ["pulse"])
    (tmp_path / "S1.mat").touch()
    with pytest.raises(RecordingError, match=r"'\.mat', which no reader takes; .*channel: samples"):
        read_recording(tmp_path / "S1.mat", ["pulse"])


def test_without_the_library(tmp_path, monkeypatch):
    path = as_wfdb(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "wfdb", None)
    with pytest.raises(ImportError, match=r"need wfdb: pip install 'sklearn-biomoe\[recordings"):
        read_recording(path, ["pulse"])


def test_listed_channels(tmp_path):
    listed = list_channels(as_edf(tmp_path))
    assert listed["name"].tolist() == ["slow", "pulse", "double #1", "double #2"]
    assert listed["sampling_rate"].tolist() == [4, 64, 4, 4]
    assert listed["n_samples"].tolist() == [80, 1280, 80, 80]
    assert listed["duration"].tolist() == [20] * 4


@pytest.mark.parametrize(("rate", "given"), [(255.9998, 256), (62.4725, 62.5), (62.5, 62.4725)])
def test_rates_that_are_rounded_differently_meet(rate, given):
    """Ten minutes: the rate is the given one, and no sample moves in time by half a period."""
    seconds = np.arange(int(600 * rate)) / rate
    recording = Recording({"eda": Channel(np.sin(2 * np.pi * 0.5 * seconds), rate)})
    eda = read_recording(recording, sampling_rate=given)["eda"]
    assert eda.sampling_rate == given
    assert abs(eda.duration - 600) < 1 / rate
    at = np.arange(len(eda.samples)) / given
    expected = np.sin(2 * np.pi * 0.5 * at)
    np.testing.assert_allclose(eda.samples[50:-50], expected[50:-50], atol=np.pi / 2 / rate)


def test_rates_that_differ_are_refused():
    recording = Recording({"eda": Channel(np.ones(100), 64), "bvp": Channel(np.ones(100), 64)})
    message = (
        r"Recording: channel 'bvp' is recorded at 64 Hz, but sampling_rate is 63\.9 Hz; leave it"
    )
    with pytest.raises(RecordingError, match=message):
        read_recording(recording, sampling_rate={"bvp": 63.9})


def test_rates_of_unknown_channels_are_refused():
    recording = Recording({"eda": Channel(np.ones(100), 64)})
    with pytest.raises(RecordingError, match="Recording: There is no channel 'edaa'"):
        read_recording(recording, sampling_rate={"edaa": 64})


def test_records_without_a_suffix_and_suffixes_in_capitals(tmp_path):
    assert len(read_recording(as_wfdb(tmp_path).with_suffix("")).channels) == 2
    path = as_edf(tmp_path).rename(tmp_path / "S2.EDF")
    assert "pulse" in read_recording(path).channels
    parquet = pytest.importorskip("sklearn_biomoe.distributed.parquet")
    assert [file.url[-6:] for file in parquet.find_files(str(tmp_path), ".edf")] == ["S2.EDF"]


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([], r"channels=\[\]; expected a name, several names, or None for all"),
        ([1], r"channels=\[1\]; expected a name"),
        (["eda", "eda"], "names a channel more than once"),
    ],
)
def test_names_that_are_refused(channels, message):
    with pytest.raises(ValueError, match=message):
        read_recording({"eda": [1.0]}, channels, sampling_rate=4)


@pytest.mark.parametrize("rate", [0, -1, np.nan, "4", True, {"eda": 0}])
def test_rates_that_are_refused(rate):
    with pytest.raises(
        ValueError, match=r"sampling_rate.*; expected a finite number above 0 in Hz"
    ):
        read_recording({"eda": [1.0]}, sampling_rate=rate)
    with pytest.raises(ValueError, match="resample_to"):
        read_recording({"eda": [1.0]}, sampling_rate=4, resample_to=-1)


def test_a_dead_channel_stays_missing():
    dead = {"eda": np.full(80, np.nan), "bvp": np.ones(80)}
    recording = read_recording(dead, sampling_rate=4, resample_to=2)
    assert (len(recording["eda"].samples), recording["eda"].n_missing) == (40, 40)
    assert recording["bvp"].n_missing == 0


@pytest.mark.parametrize(
    ("rate", "target"), [(4, 64), (64, 4), (250, 62.5), (62.4725, 256), (7, 3)]
)
@pytest.mark.parametrize("n_samples", [1, 2, 5, 3001])
def test_resampling_keeps_the_time(rate, target, n_samples):
    slowest = min(rate, target)
    resampled = resample(np.sin(0.2 * slowest * np.arange(n_samples) / rate), rate, target)
    assert len(resampled) == np.ceil(np.round(n_samples * target / rate, 6))
    at = np.arange(len(resampled)) / target
    inside = slice(len(at) // 4, -len(at) // 4 or None)
    if n_samples == 3001:
        expected = np.sin(0.2 * slowest * at[inside])
        np.testing.assert_allclose(resampled[inside], expected, atol=5e-3)
    assert np.isfinite(resampled).all()


def test_names_of_channels_are_unique():
    labels = ["a", "a", "a #1", "", "channel 4", "a"]
    names = name_channels(labels)
    assert len(set(names)) == len(labels)
    assert name_channels(["a", "b"]) == ["a", "b"]


QUIRKS = Path(os.environ.get("SKLEARN_BIOMOE_DATA", "data")).parent / "quirks"
needs_quirks = pytest.mark.skipif(not QUIRKS.is_dir(), reason=f"there is no folder {QUIRKS}")


@needs_quirks
@pytest.mark.parametrize(
    ("path", "n_channels", "duration", "n_annotations"),
    [
        ("edf/duplicate_channel_labels.edf", 3, 10, 0),
        ("edf/short_psg.edf", 7, 300, 0),
        ("wfdb_multisegment/3269321_0001.hea", 1, 16, 0),
        ("wfdb_multisegment/3269321_0002.hea", 2, 14, 0),
        ("acq/r35_test.acq", 2, 314.86, 7),
    ],
)
def test_files_of_other_programs(path, n_channels, duration, n_annotations):
    recording = read_recording(QUIRKS / path)
    assert len(recording.channels) == len(list_channels(QUIRKS / path)) == n_channels
    assert recording.duration == pytest.approx(duration)
    assert len(recording.annotations) == n_annotations
    assert recording.channels.keys() == set(list_channels(QUIRKS / path)["name"])


@needs_quirks
@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "wfdb_multisegment/p000878-2137-10-26-16-57.hea",
            r"30 of 32 segments have no file: 3269321_0003, .*pass incomplete='keep'",
        ),
        ("wfdb_multisegment/3269321_layout.hea", "describes the segments of another record"),
        (
            "brainvision/test_old_layout_latin1_software_filter.vhdr",
            r"suffix '\.vhdr', which no reader takes; .*pass mne\.io\.read_raw\(path\)",
        ),
    ],
)
def test_files_that_are_refused_with_what_to_do(path, message):
    with pytest.raises(RecordingError, match=message):
        read_recording(QUIRKS / path)
