"""Loaders of data sets that their authors hand out, on small made-up folders of the same layout."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.datasets import (
    ai4pain,
    biovid,
    load_ai4pain,
    load_biovid,
    load_painmonit,
    load_wesad,
    painmonit,
    wesad,
)

REAL_DATA = Path(
    os.environ.get("SKLEARN_BIOMOE_DATA") or Path(__file__).parents[2] / "shared" / "data"
)


@pytest.mark.parametrize("load", [load_ai4pain, load_biovid, load_painmonit, load_wesad])
def test_a_folder_that_is_not_the_set(load, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nothing") as caught:
        load(tmp_path / "nothing")
    assert "Expected" in str(caught.value)
    (tmp_path / "photos").mkdir()
    with pytest.raises(FileNotFoundError, match="it holds photos") as caught:
        load(tmp_path)
    assert "https://" in str(caught.value)


@pytest.mark.parametrize("load", [load_ai4pain, load_biovid, load_painmonit, load_wesad])
@pytest.mark.parametrize("folder", [5, None, ["a"], b"x"])
def test_a_folder_that_is_no_path(load, folder):
    with pytest.raises(TypeError, match=r"folder=.*; expected a path, as str or Path\."):
        load(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "folder", "n_subjects", "n_windows"),
    [
        (load_biovid, "biovid", 87, 3480),
        (load_ai4pain, "ai4pain", 53, None),
        (load_painmonit, "painmonit", 52, None),
        (load_wesad, "wesad", 15, None),
    ],
)
def test_published_files(load, folder, n_subjects, n_windows):
    if not (REAL_DATA / folder).is_dir():
        pytest.skip(f"No folder {folder} in {REAL_DATA}: its authors hand it out on request")
    windows = load(REAL_DATA / folder)
    assert len(set(windows.groups)) == n_subjects
    assert n_windows in (None, len(windows.data))
    assert len(windows.data) == len(windows.target) == len(windows.groups)


# BioVid


def write_biovid(folder, subjects=("071309_w_21", "100914_m_39"), per_class=2):
    """Write windows whose skin conductance is the time, ECG 2 and EMG 3 times of it."""
    root = folder / "PartA"
    (root / "starting_point").mkdir(parents=True)
    rows = []
    time = np.arange(2816) / 512
    for number, subject in enumerate(subjects, 1):
        (root / "biosignals_filtered" / subject).mkdir(parents=True)
        for class_id, name in enumerate(("BL1", "PA1", "PA2", "PA3", "PA4")):
            for repetition in range(per_class):
                sample = f"{subject}-{name}-{len(rows) + repetition:03d}"
                rows.append((number, subject, class_id, name, len(rows), sample))
                signals = {"time": time * 1e6, "gsr": time + class_id, "ecg": 2 * time}
                table = pd.DataFrame(signals | {"emg_trapezius": 3 * time})
                path = root / f"biosignals_filtered/{subject}/{sample}_bio.csv"
                table.to_csv(path, sep="\t", index=False, float_format="%.6f")
    columns = ["subject_id", "subject_name", "class_id", "class_name", "sample_id", "sample_name"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(root / "starting_point/samples.csv", sep="\t", index=False)
    return root


@pytest.fixture
def two_of_biovid(tmp_path, monkeypatch):
    monkeypatch.setattr(biovid, "N_SUBJECTS", 2)
    return write_biovid(tmp_path)


def test_biovid_baseline_against_highest_pain(two_of_biovid):
    windows = load_biovid(two_of_biovid.parent)
    assert list(windows.data.columns) == ["subject", "eda", "ecg", "emg"]
    assert windows.target.tolist() == ["BL1", "BL1", "PA4", "PA4"] * 2
    assert windows.groups.tolist() == ["071309_w_21"] * 4 + ["100914_m_39"] * 4
    assert windows.sampling_rates == {"eda": 512, "ecg": 512, "emg": 512}
    time = np.arange(2816) / 512
    np.testing.assert_allclose(windows.data["eda"][2], time + 4, atol=1e-6)
    np.testing.assert_allclose(windows.data["emg"][2], 3 * time, atol=1e-6)
    assert windows.events["sample"][2].startswith("071309_w_21-PA4")
    assert "not available" in windows.DESCR.replace("\n", " ")


def test_biovid_other_classes(two_of_biovid):
    windows = load_biovid(two_of_biovid, classes=["BL1", "PA1", "PA2", "PA3", "PA4"])
    assert sorted(windows.target) == sorted(["BL1", "PA1", "PA2", "PA3", "PA4"] * 4)
    with pytest.raises(ValueError, match="Unknown classes 'PA5'"):
        load_biovid(two_of_biovid, classes=["BL1", "PA5"])
    for wrong in ("PA4", ["PA4"], ["PA4", "PA4"]):
        with pytest.raises(ValueError, match="expected two or more of"):
            load_biovid(two_of_biovid, classes=wrong)


def test_biovid_expressive_subjects(tmp_path, monkeypatch):
    """100914_m_39 is one of the 20 subjects without a visible reaction."""
    monkeypatch.setattr(biovid, "N_SUBJECTS", 21)
    root = write_biovid(tmp_path)
    windows = load_biovid(root, subjects="expressive")
    assert set(windows.groups) == {"071309_w_21"}
    assert len(set(biovid.UNEXPRESSIVE.split())) == 87 - 67
    with pytest.raises(ValueError, match="Unknown subjects 'reactive'"):
        load_biovid(root, subjects="reactive")


def test_biovid_incomplete(two_of_biovid):
    path = next((two_of_biovid / "biosignals_filtered/100914_m_39").glob("*PA4*"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"has 2815 samples; expected 2816") as caught:
        load_biovid(two_of_biovid)
    assert "Subject 100914_m_39" in str(caught.value)
    assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(ValueError, match="There is no file") as caught:
        load_biovid(two_of_biovid)
    assert str(path) in str(caught.value)
    assert "https://www.nit.ovgu.de" in str(caught.value)
    windows = load_biovid(two_of_biovid, on_error="skip")
    assert set(windows.groups) == {"071309_w_21"}
    assert windows.skipped["subject"].tolist() == ["100914_m_39"]
    assert str(path) in windows.DESCR


def test_biovid_subjects_are_missing(tmp_path):
    root = write_biovid(tmp_path)
    with pytest.raises(ValueError, match="files of 2 subjects; expected 87"):
        load_biovid(root)
    windows = load_biovid(root, on_error="skip")
    assert len(windows.data) == 8
    assert "expected 87" in windows.DESCR


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00binary", b"a\tb\n1\t2\t3\t4\n"])
def test_biovid_list_of_samples_that_is_no_table(two_of_biovid, content):
    (two_of_biovid / biovid.SAMPLES).write_bytes(content)
    with pytest.raises(ValueError, match=r"samples\.csv .*https://"):
        load_biovid(two_of_biovid)


def test_biovid_subject_without_labels(two_of_biovid):
    path = two_of_biovid / "starting_point/samples.csv"
    table = pd.read_csv(path, sep="\t")
    without = table[(table["subject_id"] != 2) | (table["class_name"] != "PA4")]
    without.to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"Subject 100914_m_39: .*lists no windows of class PA4"):
        load_biovid(two_of_biovid)
    table.drop(columns="class_name").to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match="has no column 'class_name'; its columns are"):
        load_biovid(two_of_biovid)


# AI4Pain


def write_ai4pain(folder, subjects=(("train", 1), ("validation", 10)), baseline=25, rest=20):
    """Write segments whose samples are the seconds since their start, times a factor."""
    for split, subject in subjects:
        lengths = {"Baseline_1": baseline, "HIGH_1": 10, "REST_1": rest, "LOW_1": 10.5}
        for factor, kind in enumerate(("Bvp", "Eda", "Resp", "SpO2"), 1):
            columns = {
                f"{subject}_{name}": pd.Series(factor * np.arange(round(100 * seconds)) / 100)
                for name, seconds in lengths.items()
            }
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
            table = pd.DataFrame(columns)
            table.to_csv(folder / split / kind / f"{subject}.csv", index=False)
    return folder


@pytest.fixture
def two_of_ai4pain(tmp_path, monkeypatch):
    monkeypatch.setattr(ai4pain, "SUBSETS", {"train": 1, "validation": 1})
    return write_ai4pain(tmp_path / "Dataset")


def test_ai4pain_windows(two_of_ai4pain):
    """Two windows of 25 s of baseline, one of each stimulus, and the end of the rest."""
    windows = load_ai4pain(two_of_ai4pain.parent, duration=10)
    assert list(windows.data.columns) == ["subject", "bvp", "eda", "resp", "spo2"]
    assert windows.groups.tolist() == [1] * 5 + [10] * 5
    assert windows.test_fold.tolist() == [-1] * 5 + [0] * 5
    first = dict(zip(windows.elapsed_time[:5], windows.target[:5], strict=True))
    expected = {0: "no_pain", 10: "no_pain", 25: "high_pain", 45: "no_pain", 55: "low_pain"}
    assert first == expected
    row = int(np.flatnonzero(windows.elapsed_time == 45)[0])
    np.testing.assert_allclose(windows.data["resp"][row], 3 * (10 + np.arange(1000) / 100))
    assert windows.events.iloc[row].tolist() == [1, "REST", 1]


def test_ai4pain_subset(two_of_ai4pain):
    assert set(load_ai4pain(two_of_ai4pain, subset="validation").groups) == {10}
    assert set(load_ai4pain(two_of_ai4pain, subset="train").test_fold) == {-1}
    with pytest.raises(ValueError, match="Unknown subset 'test'"):
        load_ai4pain(two_of_ai4pain, subset="test")


def test_ai4pain_stimulus_shorter_than_a_window(two_of_ai4pain):
    windows = load_ai4pain(two_of_ai4pain, duration=10.2, subset="train")
    assert "high_pain" not in windows.target
    assert windows.dropped["subject"].tolist() == ["1_HIGH_1"]


def test_ai4pain_of_another_year(two_of_ai4pain):
    for path in (two_of_ai4pain / "train").glob("*/1.csv"):
        path.write_text(path.read_text().replace("1_HIGH_1", "1_ARM_1"))
    with pytest.raises(ValueError, match="has the column '1_ARM_1'; expected names such as"):
        load_ai4pain(two_of_ai4pain)


def test_ai4pain_subject_without_labels(two_of_ai4pain):
    path = two_of_ai4pain / "train/Bvp/1.csv"
    pd.read_csv(path).drop(columns="1_LOW_1").to_csv(path, index=False)
    with pytest.raises(ValueError, match="has no column of LOW: the subject lacks labels"):
        load_ai4pain(two_of_ai4pain)


def test_ai4pain_incomplete(two_of_ai4pain, monkeypatch):
    path = two_of_ai4pain / "validation/SpO2/10.csv"
    path.unlink()
    with pytest.raises(ValueError, match=r"Subject 10: There is no file .*10\.csv"):
        load_ai4pain(two_of_ai4pain)
    windows = load_ai4pain(two_of_ai4pain, on_error="skip")
    assert set(windows.groups) == {1}
    assert windows.skipped["subject"].tolist() == ["10"]
    monkeypatch.undo()
    with pytest.raises(ValueError, match="files of 2 subjects; expected 53"):
        load_ai4pain(two_of_ai4pain)


def test_ai4pain_signals_disagree(two_of_ai4pain):
    path = two_of_ai4pain / "train/Eda/1.csv"
    path.write_text(path.read_text().replace("1_LOW_1", "1_LOW_2"))
    with pytest.raises(ValueError, match="has other columns than the files of the other signals"):
        load_ai4pain(two_of_ai4pain)


# WESAD

WRIST = 1_495_437_325  # 2017-05-22 09:15:25 in Germany
HEADER = "# OpenSignals Text File Format\n# {}\n# EndOfHeader\n0\t0\t1\n"
QUEST = """# Subj;S2;;;
# ORDER;Base;TSST;Medi 1;Fun;sRead;;
# START;1;3.3;6;7.08;12;;
# END;3.05;5;7;9.08;13;;
;;;;
# PANAS;1;1;3;2;;
"""


def write_wesad(folder, subjects=("S2", "S3"), quest=QUEST, time="9:17:5.0", minutes=15):
    """Write wrist signals whose values are seconds since the chest device began, 100 s later."""
    for subject in subjects:
        wrist = folder / subject / f"{subject}_E4_Data"
        wrist.mkdir(parents=True)
        for name, rate in (("BVP", 64), ("EDA", 4), ("TEMP", 4), ("HR", 1)):
            values = np.arange(minutes * 60 * rate) / rate - 100
            np.savetxt(wrist / f"{name}.csv", np.r_[WRIST, rate, values], fmt="%.6f")
        (wrist / "tags.csv").write_text("")
        (wrist.parent / f"{subject}_quest.csv").write_text(quest)
        header = {"00:07": {"device name": "RespiBan", "date": "2017-5-22", "time": time}}
        path = wrist.parent / f"{subject}_respiban.txt"
        path.write_text(HEADER.format(json.dumps(header)))
    return folder


@pytest.fixture
def two_of_wesad(tmp_path, monkeypatch):
    monkeypatch.setattr(wesad, "SUBJECTS", ("S2", "S3"))
    return write_wesad(tmp_path / "WESAD")


def test_wesad_windows(two_of_wesad):
    """Baseline from 60 to 185 s, stress from 210 to 300 s, amusement from 428 to 548 s.

    Without 10 s at both ends, in windows of 60 s every 30 s.
    """
    windows = load_wesad(two_of_wesad.parent)
    assert list(windows.data.columns) == ["subject", "bvp", "eda", "temp"]
    assert windows.groups.tolist() == [2] * 5 + [3] * 5
    assert windows.target[:5].tolist() == ["baseline"] * 2 + ["stress"] + ["amusement"] * 2
    assert windows.elapsed_time[:5].tolist() == [170, 200, 320, 538, 568]
    first = [cell[0] for cell in windows.data["eda"][:5]]
    np.testing.assert_allclose(first, [70, 100, 220, 438, 468])
    first = [cell[0] for cell in windows.data["bvp"][:5]]
    np.testing.assert_allclose(first, [70, 100, 220, 438, 468])
    assert windows.events["duration"].tolist() == [105, 70, 100] * 2
    assert "not available" in windows.DESCR.replace("\n", " ")


def test_wesad_zip_file(two_of_wesad):
    folder = two_of_wesad / "S3/S3_E4_Data"
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in list(folder.iterdir()):
            archive.write(path, path.name)
            path.unlink()
    folder.rmdir()
    assert (load_wesad(two_of_wesad).groups == 3).sum() == 5


@pytest.mark.parametrize(
    ("text", "seconds"), [("7.08", 428), ("50.3", 3030), ("2", 120), ("66.00", 3960)]
)
def test_wesad_times_are_minutes_and_seconds(text, seconds):
    assert wesad._seconds(text, Path("S2_quest.csv")) == seconds


@pytest.mark.parametrize("text", ["1.75", "x", "", "1.2.3", "-1", "1.234"])
def test_wesad_wrong_time(text):
    with pytest.raises(ValueError, match=r"S2_quest\.csv: .* is not a time in minutes\.seconds"):
        wesad._seconds(text, Path("S2_quest.csv"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("Fun", "Read"), "has no times of the condition amusement"),
        (lambda text: text.replace("# START", "# BEGIN"), "has no line '# START'"),
        (lambda text: text.replace("3.05", "1.15"), "Base begins at 1 and ends at 1.15"),
        (lambda text: text.replace("9.08", "90.08"), "of one session, or incomplete"),
    ],
)
def test_wesad_wrong_conditions(two_of_wesad, change, message):
    path = two_of_wesad / "S3/S3_quest.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=f"Subject S3: .*{message}"):
        load_wesad(two_of_wesad)


def test_wesad_wrong_start(two_of_wesad):
    path = two_of_wesad / "S3/S3_respiban.txt"
    text = path.read_text()
    path.write_text(text.replace("9:17", "9:10"))
    with pytest.raises(ValueError, match="began -320 s after the wrist device"):
        load_wesad(two_of_wesad)
    path.write_text("0\t0\t1\n0\t0\t1\n")
    with pytest.raises(ValueError, match="expected the header of OpenSignals"):
        load_wesad(two_of_wesad)
    path.unlink()
    with pytest.raises(ValueError, match=r"There is no file .*S3_respiban\.txt\. Expected WESAD"):
        load_wesad(two_of_wesad)
    windows = load_wesad(two_of_wesad, on_error="skip")
    assert set(windows.groups) == {2}
    assert "S3_respiban.txt" in windows.DESCR


def test_wesad_subject_is_missing(tmp_path):
    write_wesad(tmp_path, subjects=["S2"])
    with pytest.raises(ValueError, match=r"Subject S3: There is no folder .*S3"):
        load_wesad(tmp_path)


def test_wesad_reads_no_pickles(two_of_wesad, monkeypatch):
    (two_of_wesad / "S2/S2.pkl").write_bytes(b"not a pickle")
    monkeypatch.setattr("pickle.load", lambda file: pytest.fail("a pickle was read"))
    assert len(load_wesad(two_of_wesad).data) == 10


# PainMonit


def heater_of(order):
    """Return a stimulus of 10 s every 26 s, from 26 s on."""
    heater = np.full((26 * len(order) + 20) * 250, 32.0)
    for number, temperature in enumerate(order, 1):
        heater[number * 6500 : number * 6500 + 2500] = temperature
    return heater


def write_painmonit(folder, subjects=("S_02",), order=(46.5, 40, 43, 45, 44)):
    """Write signals that are multiples of the time, and a rating of twice the heat above 32 °C."""
    root = folder / "raw-data"
    root.mkdir(parents=True)
    heater = heater_of(order)
    seconds = np.arange(len(heater)) / 250
    columns = {"Seconds": seconds}
    for factor, name in enumerate(("Bvp", "Eda_E4", "Resp", "Eda_RB", "Ecg", "Emg"), 1):
        columns[name] = factor * seconds
    columns |= {"Heater [C]": heater + 0.1, "COVAS": 2 * (heater - 32), "Heater_cleaned": heater}
    table = pd.DataFrame(columns)
    text = table.to_csv(sep=";", decimal=",", index=False, float_format="%.3f")
    for subject in subjects:
        (root / f"{subject}-synchronised-data.csv").write_text(text)
    return root


@pytest.fixture
def one_of_painmonit(tmp_path, monkeypatch):
    monkeypatch.setattr(painmonit, "N_SUBJECTS", 1)
    return write_painmonit(tmp_path)


def test_painmonit_baseline_against_highest_pain(one_of_painmonit):
    """Windows of baseline end 5 s before a stimulus; the highest temperature is at 26 s."""
    windows = load_painmonit(one_of_painmonit.parent)
    signals = ["bvp", "eda", "eda_wrist", "resp", "ecg", "emg"]
    assert list(windows.data.columns) == ["subject", *signals]
    assert windows.groups.tolist() == ["S_02"] * 6
    assert windows.target.tolist() == ["baseline", "pain_4", *["baseline"] * 4]
    assert windows.elapsed_time.tolist() == [11, 26, 37, 63, 89, 115]
    assert windows.events.iloc[1].tolist() == ["S_02", "pain_4", 46.5, 29.0]
    times = 26 + np.arange(2500) / 250
    for name, factor in (("bvp", 1), ("eda_wrist", 2), ("eda", 4), ("emg", 6)):
        np.testing.assert_allclose(windows.data[name][1], factor * times, rtol=1e-6)


def test_painmonit_windows_as_of_the_authors():
    """At most eight windows of baseline; stimuli of less than 10 s are left out."""
    heater = heater_of([40, 43, 44, 45, 46] * 2)
    table = painmonit._find_windows(heater, 2 * heater)
    is_baseline = table["temperature"] == 32
    assert table["onset"][is_baseline].tolist() == [26 * number - 15 for number in range(1, 9)]
    assert table["onset"][~is_baseline].tolist() == [26 * number for number in range(1, 11)]
    assert table["rating"].tolist() == (2 * table["temperature"]).tolist()
    heater[6500 + 2400 : 6500 + 2500] = 32
    heater[2 * 6500 - 1000] = 50  # no baseline before the second one
    onsets = painmonit._find_windows(heater, heater)["onset"].tolist()
    assert 26 not in onsets
    assert 37 not in onsets


def test_painmonit_all_classes(one_of_painmonit):
    windows = load_painmonit(one_of_painmonit, classes=painmonit.CLASSES)
    temperatures = windows.events.groupby("class")["temperature"].unique()
    expected = dict(zip(painmonit.CLASSES, [32, 40, 43, 44, 45, 46.5], strict=True))
    assert {name: float(values[0]) for name, values in temperatures.items()} == expected
    with pytest.raises(ValueError, match="Unknown classes 'pain_5'"):
        load_painmonit(one_of_painmonit, classes=["baseline", "pain_5"])
    with pytest.raises(ValueError, match="expected two or more"):
        load_painmonit(one_of_painmonit, classes="baseline")


def test_painmonit_subject_without_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(painmonit, "N_SUBJECTS", 1)
    root = write_painmonit(tmp_path, order=(43, 44))
    with pytest.raises(ValueError, match="stimuli of 2 temperatures, 43, 44; expected 5"):
        load_painmonit(root)
    path = root / "S_02-synchronised-data.csv"
    path.write_text(path.read_text().replace("Heater_cleaned", "Heater"))
    with pytest.raises(ValueError, match="There is no channel 'Heater_cleaned'"):
        load_painmonit(root)


def test_painmonit_incomplete(one_of_painmonit, monkeypatch):
    monkeypatch.setattr(painmonit, "N_SUBJECTS", 2)
    with pytest.raises(ValueError, match="files of 1 subjects; expected 2"):
        load_painmonit(one_of_painmonit)
    path = one_of_painmonit / "S_03-synchronised-data.csv"
    path.write_bytes((one_of_painmonit / "S_02-synchronised-data.csv").read_bytes()[:10_000])
    with pytest.raises(ValueError, match="Subject S_03") as caught:
        load_painmonit(one_of_painmonit)
    assert str(path) in str(caught.value)
    windows = load_painmonit(one_of_painmonit, on_error="skip")
    assert set(windows.groups) == {"S_02"}
    assert str(path) in windows.DESCR


def test_painmonit_missing_samples(one_of_painmonit):
    path = one_of_painmonit / "S_02-synchronised-data.csv"
    lines = path.read_text().splitlines()
    cells = lines[1 + 30 * 250].split(";")
    lines[1 + 30 * 250] = ";".join([*cells[:5], "", *cells[6:]])
    path.write_text("\n".join(lines))
    windows = load_painmonit(one_of_painmonit, classes=["no_pain", "pain_4"])
    assert windows.dropped["reason"].tolist() == ["gap in 'ecg'"]
    assert windows.target.tolist() == ["no_pain"]
