"""PainMonit, heat pain: biosignals at heat stimuli of five temperatures, with ratings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import FloatArray
from .._validation.parameters import check_option
from ..recordings import Recording, RecordingError, read_recording
from ..signals.cutting import cut_windows
from ._folders import make_bunch
from ._subjects import find_folder, read_each

SIGNALS = {
    "bvp": "Bvp",
    "eda": "Eda_RB",
    "eda_wrist": "Eda_E4",
    "resp": "Resp",
    "ecg": "Ecg",
    "emg": "Emg",
}
HEATER, RATING = "Heater_cleaned", "COVAS"
N_SUBJECTS = 52
RATE = 250.0  # Hz
DURATION = 10.0  # seconds of a stimulus
PAUSE = 5.0  # seconds between a window of baseline and the stimulus after it
BASELINE = 32.0  # °C
MAX_BASELINES = 8  # per subject, as many as stimuli of each temperature
CLASSES = ("baseline", "no_pain", "pain_1", "pain_2", "pain_3", "pain_4")
SUFFIX = "-synchronised-data.csv"
_GET = (
    "Expected the PainMonit Experimental Dataset (PMED), files such as "
    f"raw-data/S_01{SUFFIX}; ask its authors for it: https://doi.org/10.6084/m9.figshare.26965159."
)

_DESCR = """\
PainMonit Experimental Dataset (PMED): blood volume pulse, skin conductance of two devices,
respiration, ECG and an electromyogram of 52 subjects at heat stimuli of 10 s, resampled to 250 Hz
by the authors: eight of each of one temperature that does not hurt and four that do, which differ
between subjects, with a rating by a slider (COVAS, 0 to 100).

Licence: by a data use agreement with the authors. Cite: Gouverneur P. et al. 2024, "An Experimental
and Clinical Physiological Signal Dataset for Automated Pain Recognition", Scientific Data 11:1051,
doi:10.1038/s41597-024-03878-w.

Protocol of the authors: windows of 10 s, of baseline and of the stimuli, leave-one-subject-out;
baseline against the highest temperature, or all classes.

Pitfalls: temperatures differ between subjects, and classes are their ranks within the subject. A
window of baseline ends 5 s before a stimulus; the first eight of a subject that contain no other
stimulus are taken, so they are earlier on average than the stimuli. Windows with missing samples
are dropped, where the authors' code takes zeros. The clinical part (PMCD) is not read. The loader
was written from the publication and the authors' code; the files were not available for testing.
"""


def load_painmonit(
    folder: str | os.PathLike[str],
    *,
    classes: Sequence[str] = ("baseline", "pain_4"),
    on_error: str = "raise",
) -> Bunch:
    """Load windows of heat stimuli from the PainMonit Experimental Dataset.

    The files are available from the authors; the loader was tested on simulated files with the same
    names and columns.

    Parameters
    ----------
    folder : path-like
        The folder with the files ``S_01-synchronised-data.csv`` and so on, or one that has it as
        ``raw-data``, ``dataset/raw-data`` or ``PMED``.
    classes : sequence of {"baseline", "no_pain", "pain_1", "pain_2", "pain_3", "pain_4"}, \
default=("baseline", "pain_4")
        The classes to load.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``bvp``, ``eda`` (of the device with the ECG), ``eda_wrist``,
            ``resp``, ``ecg`` and ``emg``, in the units of the files. Cells of signals are float64
            arrays of shape (2500,), read-only views of the recording.
        target : ndarray of shape (n_windows,), str
            The class.
        groups : ndarray of shape (n_windows,), str
            The subject, such as "S_01".
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the recording.
        events : DataFrame
            For each row of ``data``: subject, class, temperature (°C) and rating (the mean of the
            slider, 0 to 100).
        sampling_rates : dict of str to float
            In Hz, by modality.
        target_names : list of str
            The classes.
        dropped : DataFrame
            Windows that are not in ``data``, with the reason, as `cut_windows` returns it.
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation, protocol and pitfalls.

    Raises
    ------
    ValueError
        If a class is unknown, a file is damaged, or a subject does not have five temperatures.
    FileNotFoundError
        If the folder does not exist or is not the one of PMED.

    References
    ----------
    Gouverneur P. et al. 2024, "An Experimental and Clinical Physiological Signal Dataset for
    Automated Pain Recognition", Scientific Data 11:1051, doi:10.1038/s41597-024-03878-w.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import load_painmonit
    >>> windows = load_painmonit("PMED")  # doctest: +SKIP
    """
    if len(set(classes)) < 2 or isinstance(classes, str):
        raise ValueError(f"classes={classes!r}; expected two or more of {list(CLASSES)}.")
    for name in classes:
        check_option("classes", name, CLASSES)
    parts = ["raw-data", "dataset/raw-data", "PMHDB/raw-data"]
    inside = [*parts, "PMED", *(f"PMED/{part}" for part in parts)]
    root = find_folder(folder, [f"S_*{SUFFIX}"], inside, _GET)
    subjects = sorted(path.name.removesuffix(SUFFIX) for path in root.glob(f"S_*{SUFFIX}"))
    read, skipped = read_each(subjects, partial(_read_subject, root), N_SUBJECTS, on_error, _GET)
    recordings = {subject: recording for subject, (recording, _) in read.items()}
    events = pd.concat([table.assign(subject=name) for name, (_, table) in read.items()])
    events = events[events["class"].isin(classes)].reset_index(drop=True)
    windows = cut_windows(
        recordings,
        dict.fromkeys(SIGNALS, RATE),
        events=events[["subject", "onset", "class"]],
        around=(0.0, DURATION),
    )
    rows = events.loc[windows.events["event"]].reset_index(drop=True)
    return make_bunch(
        windows,
        skipped,
        _DESCR,
        events=rows[["subject", "class", "temperature", "rating"]],
        target_names=list(classes),
    )


def _read_subject(root: Path, subject: str) -> tuple[Recording, pd.DataFrame]:
    """Return the signals, and onset, class, temperature and rating of all windows."""
    path = root / f"{subject}{SUFFIX}"
    recording = read_recording(
        path,
        [*SIGNALS.values(), HEATER, RATING],
        sampling_rate=RATE,
        separator=";",
        decimal=",",
        time="Seconds",
        time_unit="s",
    )
    events = _find_windows(recording[HEATER].samples, recording[RATING].samples)
    temperatures = np.unique(events["temperature"][events["temperature"] != BASELINE])
    if len(temperatures) != len(CLASSES) - 1:
        raise RecordingError(
            f"{path} has stimuli of {len(temperatures)} temperatures, "
            f"{', '.join(f'{value:g}' for value in temperatures) or 'none'}; expected "
            f"{len(CLASSES) - 1} in column {HEATER!r}."
        )
    ranks = np.searchsorted([BASELINE, *temperatures], events["temperature"])
    events["class"] = [CLASSES[rank] for rank in ranks]
    signals = {name: recording[own] for name, own in SIGNALS.items()}
    return Recording(signals, subject=subject, source=str(path)), events


def _find_windows(heater: FloatArray, rating: FloatArray) -> pd.DataFrame:
    """Return the windows of stimuli, and of baseline before them, as the authors' code finds them.

    A stimulus is a constant temperature for 10 s; a window of baseline is at 32 °C throughout.
    """
    n_times, pause = round(DURATION * RATE), round(PAUSE * RATE)
    is_stimulus = heater != BASELINE
    rows: list[tuple[float, float, float]] = []
    n_baselines = 0
    for first in np.flatnonzero(~is_stimulus[:-1] & is_stimulus[1:]) + 1:
        before = first - pause - n_times
        if n_baselines < MAX_BASELINES and before >= 0 and not is_stimulus[before:first].any():
            rows.append((before / RATE, BASELINE, float(rating[before : before + n_times].mean())))
            n_baselines += 1
        plateau = heater[first : first + n_times]
        if len(plateau) == n_times and (plateau == plateau[0]).all():
            mean = float(rating[first : first + n_times].mean())
            rows.append((first / RATE, float(plateau[0]), mean))
    return pd.DataFrame(rows, columns=["onset", "temperature", "rating"])
