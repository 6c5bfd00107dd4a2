"""WESAD: wrist recordings of rest, stress and amusement, cut into windows."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pandas as pd
from sklearn.utils import Bunch

from ..recordings import Recording, RecordingError, read_recording
from ..signals.cutting import cut_windows
from ..signals.events import EventSettings
from ._folders import make_bunch
from ._subjects import find_folder, read_each

SIGNALS = {"bvp": "BVP", "eda": "EDA", "temp": "TEMP"}
SUBJECTS = tuple(f"S{number}" for number in range(2, 18) if number != 12)
CONDITIONS = {"Base": "baseline", "TSST": "stress", "Fun": "amusement"}
LOCAL_TIME = timezone(timedelta(hours=2))  # of Germany from May to August 2017
MARGIN = 10.0  # seconds
MINUTES = re.compile(r"(\d+)(?:\.(\d{1,2}))?")
_GET = (
    "Expected WESAD, with the folders S2 to S17 and in each S2_quest.csv, S2_respiban.txt, and the "
    "folder or zip file S2_E4_Data; get it from "
    "https://archive.ics.uci.edu/dataset/465/wesad+wearable+stress+and+affect+detection."
)

_DESCR = """\
WESAD: wrist blood volume pulse (64 Hz), skin conductance (4 Hz, in microsiemens) and skin
temperature (4 Hz, in degrees Celsius) of 15 subjects, recorded with an Empatica E4 during a
baseline of 20 minutes, stress (the Trier social stress test, 10 minutes) and amusement (films, 6.5
minutes). The labels are not pain.

Licence: the one stated where you get it. Cite: Schmidt P. et al. 2018, "Introducing WESAD, a
Multimodal Dataset for Wearable Stress and Affect Detection", International Conference on Multimodal
Interaction, doi:10.1145/3242969.3242985.

Protocol of the publication: windows of 60 s, leave-one-subject-out, F1 and accuracy; three classes,
or stress against baseline and amusement together.

Pitfalls: baseline is always first, so the time since the start predicts it; stress and amusement
are in either order. Times of conditions count from the start of the chest device, which began up to
many minutes after the wrist device. Its start is in the header of SX_respiban.txt, in local time.
The authors aligned the devices by a gesture; here their clocks are assumed to agree to some
seconds, and 10 s at each end of a condition are left out. The synchronised files SX.pkl are not
read, since pickles may run code. Meditation, reading and the chest signals are not read. The loader
was compared with a public copy of the wrist recordings and times of all subjects, and the header of
one; the chest recordings were not available.
"""


def load_wesad(
    folder: str | os.PathLike[str],
    *,
    duration: float = 60,
    step: float | None = 30,
    on_error: str = "raise",
) -> Bunch:
    """Load windows of baseline, stress and amusement from the wrist recordings of WESAD.

    Only CSV files and the header of a text file are read, no pickles.

    Parameters
    ----------
    folder : path-like
        The folder with the folders ``S2`` to ``S17``, or the one with the folder ``WESAD``.
    duration : float, default=60
        Length of a window in seconds.
    step : float, default=30
        Seconds between the starts of consecutive windows. None takes ``duration``.
    on_error : {"raise", "skip"}, default="raise"
        Whether a missing or damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``bvp``, ``eda`` (µS) and ``temp`` (°C). Cells of the latter three
            are float64 arrays, read-only views of the recording.
        target : ndarray of shape (n_windows,), str
            "baseline", "stress" or "amusement".
        groups : ndarray of shape (n_windows,), int
            The subject, 2 to 17.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the wrist recording.
        events : DataFrame
            The conditions: subject, onset and duration (seconds from the start of the wrist
            recording) and condition.
        sampling_rates : dict of str to float
            In Hz, by modality.
        dropped : DataFrame
            Windows that are not in ``data``, with the reason, as `cut_windows` returns it.
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation, protocol and pitfalls.

    Raises
    ------
    ValueError
        If a subject, a file or a condition is missing, or a file is damaged.
    FileNotFoundError
        If the folder does not exist or is not the one of WESAD.

    References
    ----------
    Schmidt P. et al. 2018, "Introducing WESAD, a Multimodal Dataset for Wearable Stress and Affect
    Detection", International Conference on Multimodal Interaction, doi:10.1145/3242969.3242985.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import load_wesad
    >>> windows = load_wesad("WESAD")  # doctest: +SKIP
    """
    EventSettings(duration, step, None, None, None, "drop").check()
    root = find_folder(folder, ["S*/S*_quest.csv"], ["WESAD"], _GET)
    read, skipped = read_each(SUBJECTS, partial(_read_subject, root), len(SUBJECTS), on_error, _GET)
    recordings = {int(subject[1:]): recording for subject, (recording, _) in read.items()}
    events = pd.concat(
        [table.assign(subject=int(subject[1:])) for subject, (_, table) in read.items()],
        ignore_index=True,
    )[["subject", "onset", "duration", "condition"]]
    windows = cut_windows(
        recordings, events=events, label="condition", duration=duration, step=step
    )
    return make_bunch(windows, skipped, _DESCR, events=events)


def _read_subject(root: Path, subject: str) -> tuple[Recording, pd.DataFrame]:
    """Return the wrist recording and its conditions."""
    folder = root / subject
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    wrist = folder / f"{subject}_E4_Data"
    recording = read_recording(
        wrist if wrist.is_dir() else wrist.with_name(f"{wrist.name}.zip"), list(SIGNALS.values())
    )
    channels = {name: recording[own] for name, own in SIGNALS.items()}
    recording = Recording(channels, recording.start_time, subject=subject)
    conditions = _read_conditions(folder / f"{subject}_quest.csv")
    assert recording.start_time is not None
    start = _read_start(folder / f"{subject}_respiban.txt")
    delay = (start - recording.start_time).total_seconds()
    conditions["onset"] += delay
    last = float((conditions["onset"] + conditions["duration"]).max())
    if delay < 0 or last > recording.duration:
        raise RecordingError(
            f"{folder}: the chest device began {delay:g} s after the wrist device, and the last "
            f"condition ends {last:g} s after it, but the wrist recording takes "
            f"{recording.duration:g} s; the files are not of one session, or incomplete."
        )
    return recording, conditions


def _read_start(path: Path) -> datetime:
    """Return the start of the chest device, from the second line of its file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [file.readline(10_000) for _ in range(2)]
    try:
        (header,) = json.loads(lines[1].lstrip("# ")).values()
        year, month, day = map(int, header["date"].split("-"))
        hours, minutes, seconds = header["time"].split(":")
        start = datetime(year, month, day, int(hours), int(minutes), tzinfo=LOCAL_TIME)
        return start + timedelta(seconds=float(seconds))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise RecordingError(
            f"{path}: the second line is {lines[1][:60]!r}; expected the header of OpenSignals, "
            f"with the date and time of the start. {_GET}"
        ) from error


def _read_conditions(path: Path) -> pd.DataFrame:
    """Return onset, duration and condition, in seconds from the start of the chest device."""
    rows = [line.strip().split(";") for line in path.read_text("utf-8").splitlines()]
    lines = {cells[0].strip("# "): cells[1:] for cells in reversed(rows)}
    if missing := [name for name in ("ORDER", "START", "END") if name not in lines]:
        raise RecordingError(f"{path} has no line '# {missing[0]}'. {_GET}")
    conditions = []
    for name, start, end in zip(lines["ORDER"], lines["START"], lines["END"], strict=False):
        if name.strip() in CONDITIONS:
            begin, stop = (_seconds(text, path) for text in (start, end))
            if stop - begin <= 2 * MARGIN:
                raise RecordingError(f"{path}: {name} begins at {start} and ends at {end}.")
            label = CONDITIONS[name.strip()]
            conditions.append((begin + MARGIN, stop - begin - 2 * MARGIN, label))
    table = pd.DataFrame(conditions, columns=["onset", "duration", "condition"])
    if missing := sorted(set(CONDITIONS.values()) - set(table["condition"])):
        raise RecordingError(f"{path} has no times of the condition {missing[0]}. {_GET}")
    return table


def _seconds(text: str, path: Path) -> float:
    """Convert minutes.seconds, of which a last 0 is left out: "50.3" is 50 minutes and 30 s."""
    match = MINUTES.fullmatch(text.strip())
    seconds = int((match[2] or "0").ljust(2, "0")) if match else 60
    if match is None or seconds >= 60:
        raise RecordingError(f"{path}: {text!r} is not a time in minutes.seconds, such as 7.08.")
    return 60.0 * int(match[1]) + seconds
