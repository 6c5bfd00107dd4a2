"""Loaders of published data sets: small made-up files, and the published ones where they are."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.datasets import (
    _folders,
    fetch_bidmc,
    fetch_cogwear,
    fetch_exam_stress,
    fetch_fmov,
    fetch_freihaut,
)

REAL_DATA = Path(
    os.environ.get("SKLEARN_BIOMOE_DATA") or Path(__file__).parents[2] / "shared" / "data"
)


def published(name, file):
    """Return the folder with data sets, or skip the test."""
    if not any((REAL_DATA / name).glob(f"**/{file}*")):
        pytest.skip(f"No folder {name} with the published files in {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def pin(monkeypatch, tmp_path):
    """Return a function that makes the files in a folder the published ones."""
    for name in ("SKLEARN_BIOMOE_DATA", "SKLEARN_BIOMOE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("SKLEARN_BIOMOE_OFFLINE", "1")

    def pin_files(folder):
        registry = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        monkeypatch.setattr(_folders, "read_registry", lambda name: registry)
        return registry

    return pin_files


def compress(path):
    """Replace a file with its compressed copy."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


# BIDMC


def write_bidmc(folder, patients=("01", "02"), seconds=20):
    """Write patients whose PPG is the time in seconds, ECG twice and respiration thrice of it."""
    folder.mkdir(exist_ok=True)
    for patient in patients:
        times = np.arange(seconds * 125) / 125
        # Columns differ in order, as they do between patients; times have two decimals.
        order = [" II", " PLETH", " RESP"] if patient == "01" else [" RESP", " PLETH", " II", " V"]
        columns = {" PLETH": times, " II": 2 * times, " RESP": 3 * times, " V": 0 * times}
        signals = pd.DataFrame(
            {"Time [s]": times.round(2)} | {name: columns[name] for name in order}
        )
        signals.to_csv(folder / f"bidmc_{patient}_Signals.csv", index=False)
        numerics = pd.DataFrame(
            {
                "Time [s]": np.arange(seconds),
                " HR": np.arange(seconds) + 60,
                " PULSE": np.r_[np.full(10, np.nan), np.full(seconds - 10, 70)],
                " RESP": np.r_[np.zeros(6), np.full(seconds - 6, 15)],
                " SpO2": np.r_[np.full(5, np.nan), np.full(seconds - 5, 98)],
            }
        )
        numerics.to_csv(folder / f"bidmc_{patient}_Numerics.csv", index=False)
        # Breaths of the first annotator every 4 s, of the second at 1 s only.
        breaths = "breaths ann1 [signal sample no], breaths ann2 [signal sample no]\n"
        breaths += "125,125\n625,NaN\n1125,NaN\n1625,NaN\n2125,NaN\n"
        (folder / f"bidmc_{patient}_Breaths.csv").write_text(breaths)
    return folder


def test_bidmc_windows_and_rates(tmp_path, pin):
    folder = write_bidmc(tmp_path / "bidmc")
    pin(folder)
    windows = fetch_bidmc(data_home=tmp_path, duration=10)
    assert list(windows.data.columns) == ["subject", "ppg", "ecg", "resp"]
    assert windows.groups.tolist() == windows.data["subject"].tolist() == [1, 1, 2, 2]
    assert windows.elapsed_time.tolist() == [0, 10, 0, 10]
    for row in (1, 3):
        np.testing.assert_allclose(windows.data["ppg"][row], 10 + np.arange(1250) / 125)
        np.testing.assert_allclose(windows.data["ecg"][row], 20 + np.arange(1250) / 62.5)
        np.testing.assert_allclose(windows.data["resp"][row], 30 + np.arange(1250) * 3 / 125)
    assert windows.sampling_rates == {"ppg": 125, "ecg": 125, "resp": 125}
    first, second = windows.target.iloc[0], windows.target.iloc[1]
    assert first["heart_rate"] == 64.5  # mean of 60 to 69
    assert second["heart_rate"] == 74.5
    assert np.isnan(first["pulse_rate"])
    assert second["pulse_rate"] == 70
    assert first["spo2"] == 98  # of half of the seconds
    assert np.isnan(first["breathing_rate"])  # 0 for 6 of 10 seconds
    assert second["breathing_rate"] == 15
    assert first["breathing_rate_1"] == second["breathing_rate_1"] == 15  # 1, 5, 9 s; 13, 17 s
    assert np.isnan(first["breathing_rate_2"])


@pytest.mark.parametrize("fetch", [fetch_bidmc, fetch_exam_stress])
def test_wrong_windows_are_refused_before_files_are_read(fetch, tmp_path):
    for wrong in ({"duration": 0}, {"duration": "60"}, {"step": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*; expected"):
            fetch(data_home=tmp_path, **wrong)
    with pytest.raises(ValueError, match=r"around=\(3,\); expected seconds"):
        fetch_fmov(data_home=tmp_path, around=(3,))
    with pytest.raises(ValueError, match="Unknown on_error 'ignore'"):
        fetch(data_home=tmp_path, on_error="ignore")


def test_bidmc_steps_and_compressed_files(tmp_path, pin):
    folder = write_bidmc(tmp_path / "bidmc_csv", patients=["07"])
    pin(folder)
    for path in list(folder.iterdir()):
        compress(path)
    windows = fetch_bidmc(data_home=tmp_path, duration=8, step=4)
    assert windows.elapsed_time.tolist() == [0, 4, 8, 12]
    assert windows.target["heart_rate"].tolist() == [63.5, 67.5, 71.5, 75.5]


def test_bidmc_damaged_file(tmp_path, pin):
    folder = write_bidmc(tmp_path)
    pin(folder)
    path = folder / "bidmc_02_Signals.csv"
    path.write_text("Time [s], PLETH\n0,")
    with pytest.raises(ValueError, match="is not the published file: expected sha256") as caught:
        fetch_bidmc(data_home=tmp_path)
    assert str(path) in str(caught.value)
    assert "https://physionet.org/files/bidmc/1.0.0/bidmc_csv/bidmc_02" in str(caught.value)
    windows = fetch_bidmc(data_home=tmp_path, duration=10, on_error="skip")
    assert windows.groups.tolist() == [1, 1]
    assert windows.skipped["subject"].tolist() == ["02"]
    assert "Left out" in windows.DESCR
    assert str(path) in windows.DESCR


def test_bidmc_truncated_compressed_file(tmp_path, pin):
    folder = write_bidmc(tmp_path)
    pin(folder)
    compress(folder / "bidmc_01_Signals.csv")
    path = folder / "bidmc_01_Signals.csv.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is damaged: Compressed file ended") as caught:
        fetch_bidmc(data_home=tmp_path)
    assert str(path) in str(caught.value)


def test_bidmc_incomplete_folder(tmp_path, pin):
    folder = write_bidmc(tmp_path)
    pin(folder)
    (folder / "bidmc_02_Breaths.csv").unlink()
    with pytest.raises(OSError, match=r"without 1 of 6: bidmc_02_Breaths\.csv") as caught:
        fetch_bidmc(data_home=tmp_path)
    assert "https://physionet.org/content/bidmc/1.0.0" in str(caught.value)


@pytest.mark.slow
def test_bidmc_published_files():
    home = published("bidmc", "bidmc_01_Signals.csv")
    windows = fetch_bidmc(data_home=home, download_if_missing=False)
    assert windows.data.shape == (424, 4)
    assert np.bincount(windows.groups)[1:].tolist() == [8] * 53
    assert {cell.shape for cell in windows.data["ecg"]} == {(7500,)}
    lines = pd.read_csv(next((home / "bidmc").glob("bidmc_23_Signals*")), skipinitialspace=True)
    row = int(np.flatnonzero(windows.groups == 23)[2])
    np.testing.assert_array_equal(windows.data["ecg"][row], lines["II"][15000:22500])
    assert windows.target.isna().sum().tolist() == [0, 1, 7, 1, 0, 0]
    assert windows.target["heart_rate"].corr(windows.target["pulse_rate"]) > 0.9
    annotators = windows.target[["breathing_rate_1", "breathing_rate_2"]]
    assert annotators.corr().iloc[0, 1] > 0.8
    assert (annotators.diff(axis=1).iloc[:, 1].abs() > 2).sum() == 24


# CogWear

STROOP, REST = 1_600_000_000, 1_600_000_400  # starts of both parts


def write_part(folder, start, seconds, header=False, name="eda"):
    """Write signals whose values are seconds since the start of the Stroop test."""
    folder.mkdir(parents=True)
    for signal, rate in (("bvp", 64), ("eda", 4)):
        times = start + np.arange(seconds * rate) / rate
        values = times - STROOP
        if header:
            values[:2] = rate, 0
        column = name if signal == "eda" else signal
        table = pd.DataFrame({column: values, "time": times})
        table.to_csv(folder / f"empatica_{column}.csv", index=False)


def write_cogwear(folder, seconds=150, header=False):
    """Write one session of subject 3, and one of subject 11."""
    write_part(folder / "pilot/3/cognitive_load", STROOP, seconds, header, name="emda")
    write_part(folder / "pilot/3/baseline", REST, 100)
    write_part(folder / "survey_gamification/11/pre/cognitive_load", STROOP, 120)
    write_part(folder / "survey_gamification/11/pre/baseline", REST, 120)
    return folder


def test_cogwear_grid(tmp_path, pin):
    pin(write_cogwear(tmp_path / "cogwear"))
    windows = fetch_cogwear(data_home=tmp_path)
    assert list(windows.data.columns) == ["subject", "bvp", "eda"]
    by_part = windows.events.groupby(["subject", "session", "part"]).groups
    seconds = {key: windows.elapsed_time[rows].tolist() for key, rows in by_part.items()}
    assert seconds == {
        (3, "only", "stroop"): [0, 30, 60, 90],
        (3, "only", "rest"): [400, 430],
        (11, "pre", "stroop"): [0, 30, 60],
        (11, "pre", "rest"): [400, 430, 460],
    }
    np.testing.assert_array_equal(windows.target, windows.events["part"] == "stroop")
    assert windows.groups.tolist() == windows.data["subject"].tolist()
    for name, rate in windows.sampling_rates.items():
        for cell, start in zip(windows.data[name], windows.elapsed_time, strict=True):
            np.testing.assert_allclose(cell, start + np.arange(60 * rate) / rate)


def test_cogwear_transitions(tmp_path, pin):
    """Windows of subject 3 end 0, 30, 60 s before 150 s, and start 0, 30 (not 60) s after 400 s."""
    pin(write_cogwear(tmp_path / "cogwear"))
    pairs = fetch_cogwear(data_home=tmp_path, protocol="transitions")
    times = pairs.elapsed_time[pairs.pairs[pairs.groups == 3]]
    assert sorted(map(tuple, times)) == [(a, b) for a in (30, 60, 90) for b in (400, 430)]
    times = pairs.elapsed_time[pairs.pairs[pairs.groups == 11]]
    assert sorted(map(tuple, times)) == [(a, b) for a in (0, 30, 60) for b in (400, 430, 460)]
    assert pairs.target.tolist() == [0] * 15
    assert set(pairs.events["part"].iloc[pairs.pairs[:, 0]]) == {"stroop"}
    assert set(pairs.events["part"].iloc[pairs.pairs[:, 1]]) == {"rest"}


def test_cogwear_files_that_begin_with_the_rate(tmp_path, pin):
    """The first two samples are missing, so that windows begin half a second later."""
    pin(write_cogwear(tmp_path / "cogwear", header=True))
    windows = fetch_cogwear(data_home=tmp_path)
    first = (windows.events["part"] == "stroop") & (windows.groups == 3)
    assert windows.elapsed_time[first].tolist() == [0.5, 30.5, 60.5]
    assert windows.data["eda"][first].iloc[0][0] == 0.5


def test_cogwear_renamed_file(tmp_path, pin):
    """A copy names one file as those of its kind, with the name of the column changed too."""
    folder = write_cogwear(tmp_path / "cogwear")
    registry = pin(folder)
    part = folder / "pilot/3/cognitive_load"
    content = (part / "empatica_emda.csv").read_bytes().replace(b"emda", b"eda")
    (part / "empatica_emda.csv").unlink()
    (part / "empatica_eda.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"empatica_eda\.csv is not the published file"):
        fetch_cogwear(data_home=tmp_path)
    registry["pilot/3/cognitive_load/empatica_eda.csv"] = hashlib.sha256(content).hexdigest()
    assert (fetch_cogwear(data_home=tmp_path).groups == 3).sum() == 6


def test_cogwear_download(tmp_path, pin, monkeypatch):
    """The published names are downloaded, not those of copies."""
    pooch = pytest.importorskip("pooch")
    folder = write_cogwear(tmp_path / "origin")
    registry = pin(folder)
    registry["pilot/3/cognitive_load/empatica_eda.csv"] = "0" * 64
    monkeypatch.delenv("SKLEARN_BIOMOE_OFFLINE")
    urls = []

    def download(self, url, output_file, pooch):
        urls.append(url)
        path = url.removeprefix("https://physionet.org/files/consumer-grade-wearables/1.0.0/")
        Path(output_file).write_bytes((folder / path).read_bytes())

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    windows = fetch_cogwear(data_home=tmp_path / "home")
    assert set(windows.groups) == {3, 11}
    assert len(urls) == 8
    assert (tmp_path / "home/cogwear/pilot/3/cognitive_load/empatica_emda.csv").is_file()


def test_cogwear_damaged_file_is_skipped(tmp_path, pin):
    folder = write_cogwear(tmp_path / "cogwear")
    pin(folder)
    path = folder / "survey_gamification/11/pre/baseline/empatica_bvp.csv"
    path.write_text("bvp,time\n")
    with pytest.raises(ValueError, match="is not the published file"):
        fetch_cogwear(data_home=tmp_path)
    windows = fetch_cogwear(data_home=tmp_path, on_error="skip")
    assert set(windows.groups) == {3}
    assert windows.skipped["subject"].tolist() == ["11"]
    assert str(path) in windows.DESCR


def test_cogwear_unknown_protocol():
    with pytest.raises(ValueError, match="Unknown protocol 'pairs'"):
        fetch_cogwear(protocol="pairs")


@pytest.mark.slow
def test_cogwear_published_files():
    home = published("cogwear", "empatica_eda.csv")
    windows = fetch_cogwear(data_home=home, download_if_missing=False)
    assert windows.data.shape == (416, 3)
    assert np.bincount(windows.target).tolist() == [156, 260]
    assert sorted(set(windows.groups)) == [*range(19), 21, 22, 23, 24]
    assert not np.isnan(np.stack(list(windows.data["eda"]))).any()
    pairs = fetch_cogwear(data_home=home, protocol="transitions", download_if_missing=False)
    assert pairs.pairs.shape == (291, 2)
    elapsed = pairs.elapsed_time[pairs.pairs]
    assert (elapsed[:, 1] - elapsed[:, 0]).min() > 90  # Stroop is first in all sessions


# Wearable Exam Stress


def write_exam(folder, student="S1", exam="midterm_1", seconds=130):
    """Write a session whose values are seconds since its start; the heart rate is 10 s late."""
    folder = folder / "data" / student / exam
    folder.mkdir(parents=True)
    for name, rate, late in (("EDA", 4, 0), ("TEMP", 4, 0), ("HR", 1, 10)):
        values = late + np.arange((seconds - late) * rate) / rate
        np.savetxt(folder / f"{name}.csv", np.r_[1_600_000_000 + late, rate, values], fmt="%.6f")
    return folder


def test_exam_stress(tmp_path, pin):
    home = tmp_path / "exam_stress"
    write_exam(home)
    write_exam(home, student="S10", exam="Final", seconds=80)
    pin(home)
    windows = fetch_exam_stress(data_home=tmp_path, duration=30)
    assert list(windows.data.columns) == ["subject", "eda", "temp", "hr"]
    assert windows.target is None
    assert windows.groups.tolist() == [1] * 4 + [10] * 2
    assert windows.events["exam"].tolist() == ["midterm_1"] * 4 + ["final"] * 2
    assert windows.elapsed_time.tolist() == [10, 40, 70, 100, 10, 40]
    for name, rate in windows.sampling_rates.items():
        np.testing.assert_allclose(windows.data[name][1], 40 + np.arange(30 * rate) / rate)


def test_exam_stress_folders_with_other_names(tmp_path, pin):
    home = tmp_path / "exam_stress"
    folder = write_exam(home)
    pin(home)
    (home / "S1").mkdir()
    folder.rename(home / "S1/Midterm1")
    for path in list((home / "S1/Midterm1").iterdir()):
        compress(path)
    assert len(fetch_exam_stress(data_home=tmp_path).data) == 2


@pytest.mark.slow
def test_exam_stress_published_files():
    home = published("exam_stress", "EDA.csv")
    windows = fetch_exam_stress(data_home=home, download_if_missing=False)
    assert windows.data.shape == (7370, 4)
    sessions = windows.events.drop_duplicates()
    assert len(sessions) == 30
    assert sorted(set(windows.groups)) == list(range(1, 11))
    assert {cell.shape for cell in windows.data["hr"]} == {(60,)}


# Freihaut and Göritz

VISIT = 1_558_000_000_000  # ms since 1970


def ticks(milliseconds):
    return 621_355_968_000_000_000 + 10_000 * np.asarray(milliseconds, dtype=np.int64)


def write_freihaut(folder, subjects=("AAAAAA1", "BBBBBB2"), minutes=10):
    """Write resistance of 500 kOhm, 400 from 5 minutes on, and a beat per second.

    The core windows are 100 to 150 s and 400 to 450 s; the first subject has high stress first.
    """
    for name in ("Datasets/Raw_Data_EDA", "Datasets/Raw_Data_Heart"):
        (folder / name).mkdir(parents=True)
    rows = []
    for number, subject in enumerate(subjects):
        times = VISIT + 50 * np.arange(minutes * 60 * 20)
        resistance = np.where(times < VISIT + 300_000, 500, 400)
        lines = [f"{tick};x;{value}" for tick, value in zip(ticks(times), resistance, strict=True)]
        text = "\n".join(["\ufeffUniversalTimestamp;LocalTimestamp;EDA", *lines])
        (folder / f"Datasets/Raw_Data_EDA/{subject}.csv").write_text(text, encoding="utf-8")
        beats = VISIT + 1000 * np.arange(minutes * 60)
        lines = [f"{tick};x;{i % 3 * 500},5;60" for i, tick in enumerate(ticks(beats))]
        lines[100] = lines[100].replace(f"{100 % 3 * 500},5", "0")
        text = "\n".join(["\ufeffUniversalTimestamp;LocalTimestamp;IBI;Heartrate", *lines])
        (folder / f"Datasets/Raw_Data_Heart/{subject}.csv").write_text(text, encoding="utf-8")
        order = ["high", "low"] if number == 0 else ["low", "high"]
        for block, condition in enumerate(order, 1):
            start = VISIT + (100_000 if block == 1 else 400_000)
            rows.append((subject, condition, block, start, start + 50_000))
    columns = ["physio_file_id", "condition", "block", "core_start_ms", "core_end_ms"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def freihaut(tmp_path, pin):
    """Write the files and return their folder, and the table of events, which is not written."""
    folder = tmp_path / "freihaut_mouse_stress"
    table = write_freihaut(folder)
    pin(folder)
    return folder, table


def test_freihaut_pairs(freihaut):
    folder, table = freihaut
    table.to_csv(folder / "events.csv", index=False)
    pairs = fetch_freihaut(data_home=folder.parent, duration=60)
    assert pairs.data["subject"].tolist() == ["AAAAAA1"] * 2 + ["BBBBBB2"] * 2
    assert pairs.elapsed_time.tolist() == [95, 395, 95, 395]  # centred on the core windows
    assert pairs.pairs.tolist() == [[0, 1], [2, 3]]
    assert pairs.target.tolist() == [0, 1]
    assert pairs.groups.tolist() == ["AAAAAA1", "BBBBBB2"]
    assert pairs.events["condition"].tolist() == ["high", "low", "low", "high"]
    assert {cell.shape for cell in pairs.data["eda"]} == {(240,)}
    np.testing.assert_allclose(pairs.data["eda"][0], 2.0)  # 1000 / 500 kOhm
    np.testing.assert_allclose(pairs.data["eda"][1], 2.5)
    # 60 beats from 95 s on: 1/3 each of 0.5, 500.5, 1000.5; that of 100 s is 0 and left out.
    assert len(pairs.data["ibi"][0]) == 59
    assert pairs.data["ibi"][1].tolist() == [1000.5, 0.5, 500.5] * 20


def test_freihaut_lost_contact(freihaut, pin):
    folder, table = freihaut
    table.to_csv(folder / "events.csv", index=False)
    path = folder / "Datasets/Raw_Data_EDA/AAAAAA1.csv"
    lines = path.read_text("utf-8").splitlines()
    lines[1 + 120 * 20] = lines[1 + 120 * 20].replace(";500", ";0")
    path.write_text("\n".join(lines), encoding="utf-8")
    (folder / "events.csv").unlink()
    pin(folder)
    table.to_csv(folder / "events.csv", index=False)
    pairs = fetch_freihaut(data_home=folder.parent)
    assert pairs.groups.tolist() == ["BBBBBB2"]
    assert pairs.dropped["reason"].tolist() == ["gap in 'eda'"]


def test_freihaut_without_events(freihaut):
    folder, _ = freihaut
    with pytest.raises(OSError, match=r"without 1 of 5: events\.csv") as caught:
        fetch_freihaut(data_home=folder.parent)
    assert "github.com/Freihaut" in str(caught.value)


def test_freihaut_subject_without_labels(freihaut):
    folder, table = freihaut
    table[table["physio_file_id"] == "AAAAAA1"].to_csv(folder / "events.csv", index=False)
    with pytest.raises(ValueError, match=r"subject 'BBBBBB2' has the conditions \[\]; expected"):
        fetch_freihaut(data_home=folder.parent)
    table.drop(columns="block").to_csv(folder / "events.csv", index=False)
    with pytest.raises(ValueError, match=r"events\.csv: the column 'block' is missing"):
        fetch_freihaut(data_home=folder.parent)

    left = table[table["physio_file_id"] == "AAAAAA1"]
    left.to_csv(folder / "events.csv", index=False)
    pairs = fetch_freihaut(data_home=folder.parent, on_error="skip")
    assert pairs.groups.tolist() == ["AAAAAA1"]
    assert pairs.skipped["subject"].tolist() == ["BBBBBB2"]
    assert "- BBBBBB2: " in pairs.DESCR


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("block", "", "block is nan in row 0; expected a number"),
        ("block", "first", "block is 'first' in row 0; expected a number"),
        ("block", 2, r"'AAAAAA1' has the blocks \[2, 2\] in the order of time; expected 1 and 2"),
        ("core_end_ms", "late", "core_end_ms is 'late' in row 0"),
        ("core_end_ms", 0, "expected milliseconds since 1970, the end after the start"),
        ("core_start_ms", VISIT / 1000, "expected milliseconds since 1970"),
    ],
)
def test_freihaut_events_that_their_user_made_wrong(freihaut, column, value, message):
    folder, table = freihaut
    table = table.astype(object)
    table.loc[0, column] = value
    table.to_csv(folder / "events.csv", index=False)
    with pytest.raises(ValueError, match=message) as caught:
        fetch_freihaut(data_home=folder.parent)
    assert str(folder / "events.csv") in str(caught.value)
    assert "github.com/Freihaut" in str(caught.value)


@pytest.mark.slow
def test_freihaut_published_files():
    home = published("freihaut_mouse_stress", "events.csv")
    pairs = fetch_freihaut(data_home=home)
    assert pairs.pairs.shape == (51, 2)
    assert np.bincount(pairs.target).tolist() == [29, 22]
    assert sorted(set(pairs.dropped["subject"])) == ["DEhCMZ250", "QJ1jbb700"]
    # The authors' means of the resistance during the task, which is in the middle of the window.
    table = pd.read_csv(home / "freihaut_mouse_stress/Manipulation_Check_Data.csv", sep="\t")
    names = {"3CDPvC116": "3CDPvCyqw2gjLuL0axmSpWW50mM2"}
    row = int(np.flatnonzero(pairs.data["subject"] == "3CDPvC116")[0])
    high = table["ParticipantId"] == f"{names['3CDPvC116']}_HS"
    resistance = float(table["_PointClick_Mean_Resistance"][high].iloc[0])
    assert 1000 / resistance == pytest.approx(pairs.data["eda"][row].mean(), rel=0.05)


# Oxazepam and emotion, FMOV


def write_fmov(folder, subjects=("09", "10"), seconds=60):
    """Write columns whose values are multiples of the time, and clips at 10, 30 and 50 s."""
    (folder / "FMOV").mkdir(parents=True)
    for subject in subjects:
        times = np.arange(seconds * 100) / 100
        markers = np.zeros((3, len(times)))
        for stimulus, onset in ((2, 10), (0, 30), (1, 50)):
            markers[stimulus, onset * 100 - 5 : onset * 100] = 5
        table = np.vstack([times * np.arange(1, 6)[:, None], markers]).T
        text = "\n".join("\t".join(f"{value:g}" for value in row) + "\t" for row in table)
        (folder / f"FMOV/{subject}_FMOV_preprocessed.txt").write_text(text + "\n")


def test_fmov(tmp_path, pin):
    folder = tmp_path / "oxazepam_fmov"
    write_fmov(folder)
    pin(folder)
    compress(folder / "FMOV/10_FMOV_preprocessed.txt")
    windows = fetch_fmov(data_home=tmp_path)
    assert windows.target.tolist() == ["neutral", "angry", "happy"] * 2
    assert windows.groups.tolist() == [9] * 3 + [10] * 3
    assert windows.elapsed_time.tolist() == [8, 28, 48] * 2
    assert windows.events["onset"].tolist() == [10, 30, 50] * 2
    names = list(windows.sampling_rates)
    assert list(windows.data.columns) == ["subject", *names]
    for factor, name in enumerate(names, 1):
        np.testing.assert_allclose(
            windows.data[name][4], factor * (28 + np.arange(800) / 100), rtol=1e-5
        )


def test_fmov_other_windows(tmp_path, pin):
    folder = tmp_path / "oxazepam_fmov"
    write_fmov(folder, subjects=["09"])
    pin(folder)
    windows = fetch_fmov(data_home=tmp_path, around=(0, 15))
    assert windows.target.tolist() == ["neutral", "angry"]
    assert windows.dropped["reason"].tolist() == ["past the end of 'eda'"]


@pytest.mark.slow
def test_fmov_published_files():
    """Facial reactions are as published: the zygomaticus reacts most to happy faces."""
    home = published("oxazepam_fmov", "09_FMOV_preprocessed.txt")
    windows = fetch_fmov(data_home=home, download_if_missing=False)
    assert windows.data.shape == (432, 6)
    assert pd.Series(windows.target).value_counts().tolist() == [144] * 3
    expected = pd.read_csv(home / "oxazepam_fmov/events.csv")
    expected = expected[expected["subject"] != 36].sort_values(["subject", "onset_sample"])
    assert windows.events["stimulus"].tolist() == expected["stimulus"].tolist()
    np.testing.assert_allclose(windows.events["onset"], expected["onset_s_at_100Hz"])
    reaction = [
        np.log(cell[400:600].mean() / cell[:200].mean())
        for cell in windows.data["rectified_zygomaticus"]
    ]
    table = pd.DataFrame({"subject": windows.groups, "face": windows.target, "value": reaction})
    means = table.pivot_table(index="subject", columns="face", values="value")
    difference = means["happy"] - means["neutral"]
    assert difference.mean() / difference.std() * 6 == pytest.approx(4.07, abs=0.01)


@pytest.mark.parametrize(
    ("name", "n_files"),
    [
        ("bidmc", 3 * 53),
        ("cogwear", 4 * 34 + 1),  # one file has another name in copies
        ("exam_stress", 3 * 30),
        ("freihaut_mouse_stress", 2 * 54),
        ("oxazepam_fmov", 36),
    ],
)
def test_registries(name, n_files):
    registry = _folders.read_registry(name)
    assert len(registry) == n_files
    assert all(len(digest) == 64 for digest in registry.values())
