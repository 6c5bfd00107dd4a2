"""AI4Pain challenge of 2025: biosignals at electrical stimuli of two intensities."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import FloatArray
from .._validation.parameters import check_number, check_option
from ..recordings import read_recording
from ..signals.cutting import cut_windows
from ._folders import make_bunch
from ._subjects import find_folder, read_each

SIGNALS = {"bvp": "Bvp", "eda": "Eda", "resp": "Resp", "spo2": "SpO2"}  # and their folders
RATE = 100.0  # Hz
SUBSETS = {"train": 41, "validation": 12}  # and their numbers of subjects
COLUMN = re.compile(r"\d+_(?P<part>Baseline|REST|LOW|HIGH)_(?P<number>\d+)")
TARGETS = {"Baseline": "no_pain", "REST": "no_pain", "LOW": "low_pain", "HIGH": "high_pain"}
_GET = (
    "Expected the data of the AI4Pain challenge of 2025, with the folders train and validation and "
    "in each the folders Bvp, Eda, Resp and SpO2; register with its organisers: "
    "https://sites.google.com/view/ai4pain2025."
)

_DESCR = """\
AI4Pain challenge of 2025: finger blood volume pulse, skin conductance, respiration and oxygen
saturation at 100 Hz of 65 subjects at electrical stimuli of about 10 s, of low and high intensity,
12 each. 41 subjects are for training, 12 for validation; the labels of 12 more for testing were not
published, and they are not read.

Licence: by agreement with the organisers. Cite: the AI4Pain Grand Challenge 2025, International
Conference on Multimodal Interaction, https://sites.google.com/view/ai4pain2025; and Fernandez Rojas
R. et al. 2024, "The AI4Pain Grand Challenge 2024: Advancing Pain Assessment with Multimodal fNIRS
and Facial Video Analysis", ACII Workshops.

Protocol of the challenge: three classes (no pain, low pain, high pain), trained on the 41 subjects
of the training list and evaluated on the 12 of the validation list (`test_fold`), accuracy. The
organisers' baseline, statistics of all signals and a support vector machine, has 52.8 % there, of
36 windows per subject.

Pitfalls: the organisers do not state which windows are those of no pain. Here they are consecutive
windows of the baseline and the last one of each rest. The first rests follow a stimulus within
seconds. Stimuli start at the beginning of a segment; only its first seconds are used. Oxygen
saturation is implausible in some subjects, and constant in many windows. The elapsed time counts
the segments in the order of the file, without gaps between them. The loader was written from public
code that reads the files, and compared with the names and lengths of the columns of a few files;
the complete set was not available.
"""


def load_ai4pain(
    folder: str | os.PathLike[str],
    *,
    subset: str = "all",
    duration: float = 9.9,
    on_error: str = "raise",
) -> Bunch:
    """Load windows of the AI4Pain challenge of 2025.

    The files are available from the organisers; the loader was tested on simulated files with the
    same names and columns.

    Parameters
    ----------
    folder : path-like
        The folder with the folders ``train`` and ``validation``.
    subset : {"all", "train", "validation"}, default="all"
        The subjects of the challenge's lists.
    duration : float, default=9.9
        Length of a window in seconds; the default is the length of the shortest stimulus.
    on_error : {"raise", "skip"}, default="raise"
        Whether a missing or damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``bvp``, ``eda`` (µS), ``resp`` and ``spo2`` (percent). Cells of
            the latter four are float64 arrays of shape (100 * duration,).
        target : ndarray of shape (n_windows,), str
            "no_pain", "low_pain" or "high_pain".
        groups : ndarray of shape (n_windows,), int
            The subject.
        test_fold : ndarray of shape (n_windows,), int
            -1 for the subjects for training and 0 for those for validation, as
            `sklearn.model_selection.PredefinedSplit` takes it.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the first segment of the subject.
        events : DataFrame
            For each row of ``data``: subject, part ("Baseline", "REST", "LOW" or "HIGH") and its
            number.
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
        If a file is missing or damaged, or has other columns, such as those of 2026.
    FileNotFoundError
        If the folder does not exist or is not the one of the challenge.

    References
    ----------
    The AI4Pain Grand Challenge 2025, https://sites.google.com/view/ai4pain2025.

    Examples
    --------
    >>> from sklearn.model_selection import PredefinedSplit
    >>> from sklearn_biomoe.datasets import load_ai4pain
    >>> windows = load_ai4pain("AI4Pain 2025 Dataset")  # doctest: +SKIP
    >>> folds = PredefinedSplit(windows.test_fold)  # doctest: +SKIP
    """
    check_option("subset", subset, ["all", *SUBSETS])
    check_number("duration", duration, above=0, unit="seconds")
    chosen = list(SUBSETS) if subset == "all" else [subset]
    root = find_folder(folder, [f"{name}/Bvp/*.csv" for name in chosen], ["Dataset", "data"], _GET)
    where = {
        subject: root / name for name in chosen for subject in _list_subjects(root / name, root)
    }
    expected = sum(SUBSETS[name] for name in chosen)
    segments, skipped = read_each(where, partial(_read_subject, where), expected, on_error, _GET)
    recordings = {key: each for subject in segments.values() for key, each in subject.items()}
    events = pd.concat([_events(each, float(duration)) for each in segments.values()])
    rates = dict.fromkeys(SIGNALS, RATE)
    windows = cut_windows(
        recordings, rates, events=events.reset_index(drop=True), around=(0.0, float(duration))
    )
    keys = pd.Series(windows.groups).str.split("_", expand=True)
    rows = keys.set_axis(["subject", "part", "number"], axis=1)
    rows = rows.astype({"subject": int, "number": int})
    is_validation = [where[str(subject)].name == "validation" for subject in rows["subject"]]
    begins = pd.concat([_begins(each) for each in segments.values()])
    return make_bunch(
        windows,
        skipped,
        _DESCR,
        data=windows.data.assign(subject=rows["subject"]),
        target=rows["part"].map(TARGETS).to_numpy(),
        groups=rows["subject"].to_numpy(),
        test_fold=np.where(is_validation, 0, -1),
        elapsed_time=begins[windows.groups].to_numpy() + windows.start_times,
        events=rows,
    )


def _list_subjects(folder: Path, root: Path) -> list[str]:
    names = {path.stem for path in folder.glob("*/*.csv")}
    if not names:
        raise FileNotFoundError(f"{root} has no files in {folder.name}. {_GET}")
    if unknown := sorted(name for name in names if not name.isdecimal()):
        raise ValueError(f"{folder} has a file {unknown[0]}.csv; expected numbers of subjects.")
    return sorted(names, key=int)


Segment = dict[str, FloatArray]  # samples by modality


def _read_subject(where: Mapping[str, Path], subject: str) -> dict[str, Segment]:
    """Return the segments of a subject, by the name of the column, in the order of time."""
    segments: dict[str, Segment] = {}
    for name, kind in SIGNALS.items():
        path = where[subject] / kind / f"{subject}.csv"
        recording = read_recording(path, sampling_rate=RATE, time=False)
        _check_columns(path, recording.channels)
        if segments and list(segments) != list(recording.channels):
            raise ValueError(f"{path} has other columns than the files of the other signals.")
        for column, channel in recording.channels.items():
            n_times = len(channel.samples) - int(np.argmin(np.isnan(channel.samples[::-1])))
            segments.setdefault(column, {})[name] = channel.samples[:n_times]
    return segments


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    found = {name: COLUMN.fullmatch(name) for name in columns}
    if unknown := [name for name, match in found.items() if match is None]:
        raise ValueError(
            f"{path} has the column {unknown[0]!r}; expected names such as '7_Baseline_1', "
            f"'7_REST_1', '7_LOW_1' and '7_HIGH_1'. {_GET}"
        )
    parts = {match["part"] for match in found.values() if match}
    if missing := sorted(set(TARGETS) - parts):
        raise ValueError(f"{path} has no column of {', '.join(missing)}: the subject lacks labels.")


def _length(segment: Segment) -> float:
    return max(len(samples) for samples in segment.values()) / RATE


def _events(segments: dict[str, Segment], duration: float) -> pd.DataFrame:
    """Return the onset of each window in its segment."""
    rows = []
    for column, segment in segments.items():
        part = column.split("_")[1]
        onsets = [0.0]
        if part == "Baseline":
            onsets = list(np.arange(int(_length(segment) / duration)) * duration)
        elif part == "REST":
            onsets = [max(_length(segment) - duration, 0.0)]
        rows += [(column, onset) for onset in onsets]
    return pd.DataFrame(rows, columns=["subject", "onset"])


def _begins(segments: dict[str, Segment]) -> pd.Series:
    """Return the seconds from the start of the first segment to that of each."""
    lengths = np.array([_length(segment) for segment in segments.values()])
    return pd.Series(np.cumsum(lengths) - lengths, index=list(segments))
