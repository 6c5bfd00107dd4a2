"""BioVid Heat Pain Database, part A: biosignals at heat stimuli of five intensities."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._validation.parameters import check_option
from ..recordings import Recording, RecordingError, read_recording
from ..signals.windows_bunch import WindowsBunch
from ._folders import describe
from ._subjects import find_folder, read_each

SIGNALS = {"eda": "gsr", "ecg": "ecg", "emg": "emg_trapezius"}
RATE = 512.0  # Hz
N_SUBJECTS = 87
N_TIMES = 2816  # 5.5 s
CLASSES = ("BL1", "PA1", "PA2", "PA3", "PA4")
SAMPLES = "starting_point/samples.csv"
COLUMNS = ("subject_name", "class_name", "sample_name")
_GET = (
    "Expected part A of the BioVid Heat Pain Database, with the folders starting_point and "
    "biosignals_filtered; ask its authors for it: https://www.nit.ovgu.de/BioVid.html."
)
# Subjects without a visible reaction to the stimuli, whom the authors advise to leave out.
UNEXPRESSIVE = (
    "082315_w_60 082414_m_64 082909_m_47 083009_w_42 083013_w_47 "
    "083109_m_60 083114_w_55 091914_m_46 092009_m_54 092014_m_56 "
    "092509_w_51 092714_m_64 100514_w_51 100914_m_39 101114_w_37 "
    "101209_w_61 101809_m_59 101916_m_40 111313_m_64 120614_w_61"
)

_DESCR = """\
BioVid Heat Pain Database, part A: skin conductance, ECG and the electromyogram of the trapezius at
512 Hz of 87 subjects at heat stimuli, in windows of 5.5 s: 20 of each of BL1 (no stimulus) and PA1
to PA4 (from the pain threshold to the pain tolerance of the subject).

Licence: for non-commercial research, by agreement with the authors. Cite: Walter S. et al. 2013,
"The BioVid Heat Pain Database: Data for the Advancement and Systematic Validation of an Automated
Pain Recognition System", IEEE International Conference on Cybernetics; and for the 67 subjects,
Werner P., Al-Hamadi A., Walter S. 2017, "Analysis of Facial Expressiveness During Experimentally
Induced Heat Pain", ACII Workshops.

Protocol of most publications: BL1 against PA4, leave-one-subject-out, accuracy, with all 87
subjects or the 67 who reacted visibly. State which.

Pitfalls: the number 67 was chosen by the reactions in the videos, so scores on these subjects are
higher. Temperatures differ between subjects. Signals are the filtered ones of the authors. The
loader was written from publications and public code that reads the files; the files themselves were
not available for testing.
"""


def load_biovid(
    folder: str | os.PathLike[str],
    *,
    classes: Sequence[str] = ("BL1", "PA4"),
    subjects: str = "all",
    on_error: str = "raise",
) -> Bunch:
    """Load the windows of part A of the BioVid Heat Pain Database.

    The files are available from the authors on request; the loader was tested on simulated files
    with the same names and columns.

    Parameters
    ----------
    folder : path-like
        The folder of part A, or the one with the folder ``PartA``.
    classes : sequence of {"BL1", "PA1", "PA2", "PA3", "PA4"}, default=("BL1", "PA4")
        The classes to load.
    subjects : {"all", "expressive"}, default="all"
        All 87, or the 67 who reacted visibly.
    on_error : {"raise", "skip"}, default="raise"
        Whether a missing or damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``eda``, ``ecg`` and ``emg``. Cells of the latter three are float64
            arrays of shape (2816,), in the units of the files. 3,480 rows for two classes and all
            subjects.
        target : ndarray of shape (n_windows,), str
            The class.
        groups : ndarray of shape (n_windows,), str
            The subject, such as "071309_w_21".
        events : DataFrame
            For each row of ``data``: subject, sample (its name in the files) and class.
        sampling_rates : dict of str to float
            In Hz, by modality.
        target_names : list of str
            The classes.
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation, protocol and pitfalls.

    Raises
    ------
    ValueError
        If a class is unknown, the list of samples lacks columns or classes, or a file is missing
        or damaged.
    FileNotFoundError
        If the folder does not exist or is not the one of part A.

    References
    ----------
    Walter S. et al. 2013, "The BioVid Heat Pain Database: Data for the Advancement and Systematic
    Validation of an Automated Pain Recognition System", IEEE International Conference on
    Cybernetics.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import load_biovid
    >>> windows = load_biovid("PartA")  # doctest: +SKIP
    >>> windows.data.shape  # doctest: +SKIP
    (3480, 4)
    """
    check_option("subjects", subjects, ["all", "expressive"])
    if len(set(classes)) < 2 or isinstance(classes, str):
        raise ValueError(f"classes={classes!r}; expected two or more of {list(CLASSES)}.")
    for name in classes:
        check_option("classes", name, CLASSES)
    root = find_folder(folder, [SAMPLES], ["PartA"], _GET)
    samples = _read_samples(root / SAMPLES, classes)
    if subjects == "expressive":
        samples = samples[~samples["subject"].isin(UNEXPRESSIVE.split())]
    by_subject = {str(name): rows for name, rows in samples.groupby("subject")}
    expected = N_SUBJECTS - len(UNEXPRESSIVE.split()) * (subjects == "expressive")
    read = partial(_read_subject, root, by_subject, classes)
    tables, skipped = read_each(by_subject, read, expected, on_error, _GET)
    data = pd.concat(tables.values(), ignore_index=True)
    events = data[["subject", "sample", "class"]]
    return WindowsBunch(
        data=data[["subject", *SIGNALS]],
        target=events["class"].to_numpy(),
        groups=events["subject"].to_numpy(),
        events=events,
        sampling_rates=dict.fromkeys(SIGNALS, RATE),
        target_names=list(classes),
        skipped=skipped,
        DESCR=describe(_DESCR, skipped),
    )


def _read_samples(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    """Return subject, sample and class of the windows of some classes."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=str)
    except ValueError as error:  # empty, not text, or with rows of different lengths
        raise ValueError(f"{path} cannot be read as a table: {error}. {_GET}") from error
    for column in COLUMNS:
        if column not in table.columns:
            raise ValueError(
                f"{path} has no column {column!r}; its columns are "
                f"{', '.join(map(repr, table.columns))}. {_GET}"
            )
    names = dict(zip(COLUMNS, ("subject", "class", "sample"), strict=True))
    samples = table[list(COLUMNS)].rename(columns=names)
    return samples[samples["class"].isin(classes)]


def _read_subject(
    root: Path, by_subject: Mapping[str, pd.DataFrame], classes: Sequence[str], subject: str
) -> pd.DataFrame:
    samples = by_subject[subject]
    if missing := sorted(set(classes) - set(samples["class"])):
        raise ValueError(f"{root / SAMPLES} lists no windows of class {missing[0]}.")
    rows = []
    for row in samples.to_dict("records"):
        path = root / "biosignals_filtered" / row["subject"] / f"{row['sample']}_bio.csv"
        recording = _read_window(path)
        signals = {name: recording[column].samples for name, column in SIGNALS.items()}
        rows.append(row | signals)
    return pd.DataFrame(rows)


def _read_window(path: Path) -> Recording:
    recording = read_recording(
        path, list(SIGNALS.values()), sampling_rate=RATE, separator="\t", time=False
    )
    n_times = len(recording["gsr"].samples)
    if n_times != N_TIMES:
        raise RecordingError(f"{path} has {n_times} samples; expected {N_TIMES}, which are 5.5 s.")
    if any(np.isnan(channel.samples).any() for channel in recording.channels.values()):
        raise RecordingError(f"{path} has missing samples.")
    return recording
