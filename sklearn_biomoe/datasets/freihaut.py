"""Freihaut and Göritz: skin conductance under high and low stress, in random order."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import FloatArray, Rows
from .._validation.parameters import check_number
from ..recordings import Channel, Recording
from ..recordings.text_dialects import read_cells
from ..signals.cutting import cut_windows
from ._folders import SKIPPED, Source, make_bunch, open_files

_REPOSITORY = "https://github.com/Freihaut/Freihaut_Goeritz-2021-Study_Files-Mouse"
_COMMIT = "b21812dc215de6cf1409c8d3b5b1c24547bc8a95"
EVENTS = "events.csv"
EDA, HEART = "Datasets/Raw_Data_EDA/{}.csv", "Datasets/Raw_Data_Heart/{}.csv"
DUPLICATE = "ZCOeNp491"  # the files of ZC0eNp491 under another name
SOURCE = Source(
    "freihaut_mouse_stress",
    "Freihaut and Göritz",
    f"To get them, clone {_REPOSITORY}, check out commit {_COMMIT[:7]}, and add the table "
    f"{EVENTS} beside the folder Datasets, as the documentation of data sets describes.",
    renamed=(("Datasets/Raw_Data_EDA/", "eda/"), ("Datasets/Raw_Data_Heart/", "heart/")),
    derived=(EVENTS,),
)
RATE = 4  # Hz of the skin conductance
TICKS_1970 = 621_355_968_000_000_000  # of 100 ns since the year 1
KILOOHM = 1000.0  # µS for 1 kΩ
CONDITIONS = ("low", "high")
EARLIEST = 1e12  # ms since 1970, in 2001; times in seconds are smaller

_DESCR = """\
Freihaut and Göritz: skin conductance (4 Hz, in microsiemens) and intervals between heart beats (in
ms) of 53 subjects in a laboratory, in a block of computer tasks under high stress (mental
arithmetic under time pressure, a ticking clock, social evaluation) and one under low stress. The
order of blocks is random: 30 subjects had high stress first, 23 low stress. The labels are high and
low stress, not pain.

Licence: GNU General Public License 3.0, of the whole repository. Cite: Freihaut P., Göritz A.S.
2021, "Using the computer mouse for stress measurement - An empirical investigation and critical
review", International Journal of Human-Computer Studies 145:102520,
doi:10.1016/j.ijhcs.2020.102520; data: doi:10.5281/zenodo.3941808.

Pitfalls: only the times of one task of each block, pointing and clicking, are known exactly. It is
at the same place of both blocks, which are 5 to 10 minutes apart. Windows are centred on the time
from 20 s before the task to 10 s after it, which is in the same block and takes 49 to 59 s, so a
window of 60 s may begin and end 5 s outside of it. The device records resistance as whole numbers
up to 700, which are taken as kiloohms; 0 is lost contact. Conductance is the mean of each quarter
of a second (about five samples), so it has steps. Windows of subjects DEhCMZ250 and QJ1jbb700 with
lost contact are dropped. Few intervals between beats are recorded of QJ1jbb700, bD83eN377,
nQl80E675 and zH98oK186.
"""


def fetch_freihaut(
    *,
    data_home: str | os.PathLike[str] | None = None,
    duration: float = 60,
    on_error: str = "raise",
) -> Bunch:
    """Load pairs of windows under high and low stress from Freihaut and Göritz 2021.

    It is the one data set here in which the time since the start does not predict the class. The
    files are searched as `fetch_stress_predict` does, in folders named ``freihaut_mouse_stress``;
    each may be compressed with gzip. They are not downloaded, since the table of events is not
    among the published files: the documentation of data sets describes how it is made.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder with the files.
    duration : float, default=60
        Length of a window in seconds.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``eda`` (µS), float64 arrays of shape (4 * duration,), and ``ibi``,
            float64 arrays of the intervals between beats in ms that were recorded during the
            window, which differ in length and may be empty. Intervals of 0 are left out.
        target : ndarray of shape (n_pairs,), int
            1 if the later window is under high stress, else 0.
        groups : ndarray of shape (n_pairs,), str
            The subject.
        pairs : ndarray of shape (n_pairs, 2), int
            Rows of ``data`` of the earlier and the later window; 51 pairs of 60 s.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the recording to the start of each row.
        events : DataFrame
            For each row of ``data``: subject, condition ("high" or "low") and block (1 or 2).
        sampling_rates : dict of str to float
            In Hz, of ``eda``.
        target_names : list of str
            "low" and "high".
        dropped : DataFrame
            Windows that are not in ``data``, with the reason, as `cut_windows` returns it.
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation and pitfalls.

    Raises
    ------
    ValueError
        If the content of a file does not match its hash, or the table of events lacks columns,
        subjects or conditions.
    OSError
        If the files are not found.

    References
    ----------
    Freihaut P., Göritz A.S. 2021, "Using the computer mouse for stress measurement - An empirical
    investigation and critical review", International Journal of Human-Computer Studies 145:102520,
    doi:10.1016/j.ijhcs.2020.102520.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import fetch_freihaut
    >>> pairs = fetch_freihaut()  # doctest: +SKIP
    >>> pairs.data.shape, pairs.pairs.shape  # doctest: +SKIP
    ((103, 3), (51, 2))
    """
    check_number("duration", duration, above=0, unit="seconds")
    files, skipped = open_files(
        SOURCE, data_home, download_if_missing=False, on_error=on_error, subject_of=_subject
    )
    subjects = sorted({_subject(path) for path in files} - {"", DUPLICATE})
    events, unlabelled = _read_events(files[EVENTS], subjects, duration, on_error)
    skipped = pd.concat([skipped, unlabelled], ignore_index=True)
    subjects = list(dict.fromkeys(events["subject"]))
    recordings = {subject: _read_eda(files[EDA.format(subject)]) for subject in subjects}
    windows = cut_windows(
        recordings, events=events, label="condition", around=(0.0, float(duration))
    )
    beats = {subject: _read_intervals(files[HEART.format(subject)]) for subject in subjects}
    starts = pd.Series({name: recording.start_time for name, recording in recordings.items()})
    rows = zip(windows.groups, windows.start_times, strict=True)
    windows.data["ibi"] = pd.Series(
        [
            _between(beats[name], starts[name] + pd.to_timedelta([start, start + duration], "s"))
            for name, start in rows
        ],
        dtype=object,
    )
    pairs = _pairs(windows.events)
    conditions = windows.events["condition"].to_numpy()
    return make_bunch(
        windows,
        skipped,
        _DESCR,
        target=(conditions[pairs[:, 1]] == "high").astype(int),
        groups=windows.groups[pairs[:, 0]],
        pairs=pairs,
        events=windows.events[["subject", "condition", "block"]],
        target_names=list(CONDITIONS),
    )


def _subject(path: str) -> str:
    return "" if path == EVENTS else PurePosixPath(path).stem


def _read_events(
    path: Path, subjects: list[str], duration: float, on_error: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return subject, onset of the window, condition and block; and subjects left out."""
    table = _read_numbers(path).rename(columns={"physio_file_id": "subject"})
    kept, skipped = [], []
    for subject in subjects:
        rows = table[table["subject"] == subject].sort_values("core_start_ms")
        if problem := _find_problem(rows):
            reason = f"{path}: subject {subject!r} {problem}. {SOURCE.by_hand}"
            if on_error == "raise":
                raise ValueError(reason)
            skipped.append((subject, str(path), reason))
        else:
            kept.append(rows)
    if not kept:
        raise ValueError(f"No subject has events: {skipped[0][2]}")
    events = pd.concat(kept, ignore_index=True)
    middle = (events["core_start_ms"] + events["core_end_ms"]) / 2
    onset = pd.to_datetime(middle - 500 * duration, unit="ms", utc=True)
    events = events.assign(onset=onset, duration=duration, block=events["block"].astype(int))
    columns = ["subject", "onset", "duration", "condition", "block"]
    return events[columns], pd.DataFrame(skipped, columns=SKIPPED)


def _read_numbers(path: Path) -> pd.DataFrame:
    """Read the table of events, whose users made it; text among its numbers is an error."""
    table = read_cells(path)
    numbers = ["block", "core_start_ms", "core_end_ms"]
    for column in ("physio_file_id", "condition", *numbers):
        if column not in table.columns:
            raise ValueError(
                f"{path}: the column {column!r} is missing; the columns are "
                f"{', '.join(map(repr, table.columns))}. {SOURCE.by_hand}"
            )
    for column in numbers:
        values = pd.to_numeric(table[column], errors="coerce")
        if values.isna().any():
            row = int(values.isna().argmax())
            raise ValueError(
                f"{path}: {column} is {table[column].iloc[row]!r} in row {row}; expected a number. "
                f"{SOURCE.by_hand}"
            )
        table[column] = values
    return table


def _find_problem(rows: pd.DataFrame) -> str:
    """Return what is wrong with the events of a subject, in the order of their times; or ""."""
    if sorted(rows["condition"]) != sorted(CONDITIONS):
        return (
            f"has the conditions {rows['condition'].tolist()}; expected one row for each of "
            f"{list(CONDITIONS)}"
        )
    if rows["block"].tolist() != [1, 2]:
        return f"has the blocks {rows['block'].tolist()} in the order of time; expected 1 and 2"
    starts, ends = rows["core_start_ms"], rows["core_end_ms"]
    if (starts < EARLIEST).any() or (ends <= starts).any():
        return (
            f"has a task from {starts.tolist()} to {ends.tolist()}; expected milliseconds since "
            "1970, the end after the start"
        )
    return ""


def _read_table(path: Path) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Return a table of the devices, and the times of its rows."""
    table = pd.read_csv(path, sep=";", decimal=",", encoding="utf-8-sig")
    microseconds = (table["UniversalTimestamp"] - TICKS_1970) // 10
    return table, pd.to_datetime(microseconds.to_numpy(), unit="us", utc=True)


def _read_eda(path: Path) -> Recording:
    """Return the mean conductance of each quarter of a second; NaN if contact was lost in it."""
    table, times = _read_table(path)
    conductance = KILOOHM / table["EDA"].where(table["EDA"] > 0).to_numpy()
    quarters = np.floor((times - times[0]).total_seconds() * RATE).astype(int)
    with np.errstate(invalid="ignore"):  # quarters without a sample
        means = np.bincount(quarters, conductance) / np.bincount(quarters)
    return Recording({"eda": Channel(means, RATE, "µS")}, start_time=times[0].to_pydatetime())


def _read_intervals(path: Path) -> pd.Series:
    """Return intervals between beats in ms, by the time at which they were recorded."""
    table, times = _read_table(path)
    return pd.Series(table["IBI"].to_numpy(), index=times)[lambda values: values > 0]


def _between(values: pd.Series, span: pd.DatetimeIndex) -> FloatArray:
    return values[(values.index >= span[0]) & (values.index < span[1])].to_numpy()


def _pairs(events: pd.DataFrame) -> Rows:
    """Return the rows of subjects with both windows, that of the earlier block first."""
    pairs = [rows.index for _, rows in events.groupby("subject", sort=False) if len(rows) == 2]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
