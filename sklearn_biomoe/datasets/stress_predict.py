"""Stress-Predict: wrist recordings of rest and stress, cut into windows."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import FloatArray, Rows
from .._validation.parameters import check_option
from ..signals.windows_bunch import WindowsBunch
from ._folders import Source, describe, open_files

_REPOSITORY = "https://github.com/italha-d/Stress-Predict-Dataset"
_COMMIT = "f49d2eae603f90c3f0140fbbbae7c0480d651023"
_LABELS_FILE = "Processed_data/Improved_All_Combined_hr_rsp_binary.csv"
SOURCE = Source(
    "stress_predict",
    "Stress-Predict",
    f"To download them manually, clone {_REPOSITORY} and check out commit {_COMMIT[:7]}.",
    f"https://raw.githubusercontent.com/italha-d/Stress-Predict-Dataset/{_COMMIT}/",
)

_WINDOW, _STEP, _MIN_LABELLED = 60, 30, 54  # seconds
_DISTANCES = np.array([0, 30, 60])  # seconds between a window and the change of label

_DESCR = """\
Stress-Predict: wrist blood volume pulse (64 Hz) and skin conductance (4 Hz, in microsiemens) of 34
subjects, S02 to S35, recorded with an Empatica E4 during rest and three tasks: Stroop, interview,
hyperventilation. The labels are rest and stress, not pain.

Licence: MIT, (c) 2022 Talha Iqbal. Cite: Iqbal T. et al. 2022, "Stress Monitoring Using Wearable
Sensors: A Pilot Study and Stress-Predict Dataset", Sensors 22(21):8135, doi:10.3390/s22218135.

Pitfalls: all subjects do the tasks in the same order and at similar times, so the time since the
start predicts the class well (see `elapsed_time`). In protocol "transitions" it does not by a
linear function, but still by a nonlinear one. S01 has another order and no labels, and is excluded.
Labels are from the processed table, since the tags of S06, S17, S18 and S30 are wrong. Wrist
signals contain movement artefacts.
"""


def fetch_stress_predict(
    *,
    data_home: str | os.PathLike[str] | None = None,
    protocol: str = "grid",
    download_if_missing: bool = True,
    on_error: str = "raise",
) -> Bunch:
    """Load windows of rest and stress from the Stress-Predict data set.

    The files are searched in ``data_home``, then in the folder given by the environment variable
    ``SKLEARN_BIOMOE_DATA`` (in both: the folder itself, then its subfolder ``stress_predict``),
    then in the cache (the folder given by ``SKLEARN_BIOMOE_CACHE``, else that of the platform). If
    they are not found, they are downloaded (52 MB; ``pip install "sklearn-biomoe[data]"``) into
    ``data_home/stress_predict``, or into the cache if ``data_home`` is None, unless
    ``SKLEARN_BIOMOE_OFFLINE`` is set. The hash of every file is verified.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder for the files.
    protocol : {"grid", "transitions"}, default="grid"
        In both protocols, at least 54 of the 60 seconds of a window have a label, all labels of a
        window are equal, and the window is inside both signals.

        - "grid": windows of 60 s that start at the first labelled second of a subject and every
          30 s after it.
        - "transitions": pairs of windows before and after each change of label at second b:
          [b - p - 60, b - p) and [b + q, b + q + 60), for all p and q of 0, 30 and 60 s. Onsets and
          offsets of stress are balanced and the second window is always the later one, so that a
          linear function of elapsed time does not predict the class, and each subject is its own
          baseline.
    download_if_missing : bool, default=True
        If False, raise OSError if the files are not found.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``bvp`` and ``eda`` (µS). Cells of the latter two are float64
            arrays of shape (3840,) and (240,), read-only views of the recording. 3,291 rows for
            "grid"; for "transitions", one row per distinct window.
        target : ndarray, int
            "grid": shape (n_windows,), 0 for rest and 1 for stress. "transitions": shape
            (n_pairs,), 1 if the later window is stress and the earlier one rest, else 0.
        groups : ndarray of the shape of ``target``, int
            The subject, 2 to 35.
        pairs : ndarray of shape (n_pairs, 2), int
            Only for "transitions": rows of ``data`` of the earlier and the later window, 1,752
            pairs. Given embeddings ``E`` of ``data``, the features are the differences
            ``E[pairs[:, 1]] - E[pairs[:, 0]]``.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the first labelled second of the subject to the start of each row.
        sampling_rates : dict of str to float
            In Hz, by modality.
        target_names : list of str
            "rest" and "stress".
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation and pitfalls.

    Raises
    ------
    ValueError
        If the protocol is unknown, or the content of a file does not match its hash.
    OSError
        If the files are not found and must not be downloaded, or the download fails.
    ImportError
        If a download is required and pooch is not installed.

    References
    ----------
    Iqbal T. et al. 2022, "Stress Monitoring Using Wearable Sensors: A Pilot Study and
    Stress-Predict Dataset", Sensors 22(21):8135, doi:10.3390/s22218135.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import fetch_stress_predict
    >>> windows = fetch_stress_predict()  # doctest: +SKIP
    >>> windows.data.shape  # doctest: +SKIP
    (3291, 3)
    """
    check_option("protocol", protocol, ["grid", "transitions"])
    files, skipped = open_files(
        SOURCE,
        data_home,
        download_if_missing=download_if_missing,
        on_error=on_error,
        subject_of=_subject,
    )
    select = _select_grid if protocol == "grid" else _select_transitions
    tables, targets, groups, pairs, elapsed_time = [], [], [], [], []
    n_windows = 0
    for recording in _read_recordings(files):
        starts, target, rows = select(recording)
        tables.append(recording.cut(starts))
        targets.append(target)
        groups.append(np.full(len(target), recording.subject))
        pairs.append(rows + n_windows)
        elapsed_time.append(starts - recording.seconds[0])
        n_windows += len(starts)
    return WindowsBunch(
        data=pd.concat(tables, ignore_index=True),
        target=np.concatenate(targets),
        groups=np.concatenate(groups),
        **({} if protocol == "grid" else {"pairs": np.concatenate(pairs)}),
        elapsed_time=np.concatenate(elapsed_time).astype(float),
        sampling_rates={"bvp": 64.0, "eda": 4.0},
        target_names=["rest", "stress"],
        skipped=skipped,
        DESCR=describe(_DESCR, skipped),
    )


def _subject(path: str) -> str:
    return "" if path == _LABELS_FILE else Path(path).parent.name


@dataclass(frozen=True)
class _Recording:
    """Labels (one per second) and signals of one subject; times are seconds of UTC."""

    subject: int
    seconds: Rows  # of the labels, increasing
    labels: Rows
    signals: dict[str, tuple[int, int, FloatArray]]  # start, sampling rate in Hz, samples

    def window_labels(self, starts: Rows) -> Rows:
        """Return 0 or 1 for windows with one label and inside all signals, -1 for all others."""
        counts = np.array(
            [self._count(label, starts + _WINDOW) - self._count(label, starts) for label in (0, 1)]
        )  # (2, *starts.shape), in seconds
        usable = (counts.min(axis=0) == 0) & (counts.max(axis=0) >= _MIN_LABELLED)
        for begin, rate, samples in self.signals.values():
            usable &= (starts >= begin) & ((starts + _WINDOW - begin) * rate <= len(samples))
        return np.where(usable, counts.argmax(axis=0), -1)

    def _count(self, label: int, ends: Rows) -> Rows:
        """Return the number of seconds with this label before ``ends``."""
        return np.searchsorted(self.seconds[self.labels == label], ends)

    def cut(self, starts: Rows) -> pd.DataFrame:
        columns: dict[str, Any] = {"subject": np.full(len(starts), self.subject)}
        for name, (begin, rate, samples) in self.signals.items():
            columns[name] = [samples[i : i + _WINDOW * rate] for i in (starts - begin) * rate]
        return pd.DataFrame(columns)


def _read_recordings(files: Mapping[str, Path]) -> list[_Recording]:
    table = pd.read_csv(files[_LABELS_FILE]).sort_values(["Participant", "Time(sec)"])
    recordings = []
    for name in sorted({Path(path).parent.name for path in files if path != _LABELS_FILE}):
        rows = table[table["Participant"] == int(name[1:])]
        signals = {
            modality: _read_signal(files[f"Raw_data/{name}/{modality.upper()}.csv"])
            for modality in ("bvp", "eda")
        }
        seconds, labels = rows["Time(sec)"].to_numpy(int), rows["Label"].to_numpy(int)
        recordings.append(_Recording(int(name[1:]), seconds, labels, signals))
    return recordings


def _read_signal(path: Path) -> tuple[int, int, FloatArray]:
    begin, rate, *_ = values = np.loadtxt(path)
    samples = values[2:]
    samples.flags.writeable = False
    return int(begin), int(rate), samples  # whole seconds and Hz in all files


def _select_grid(recording: _Recording) -> tuple[Rows, Rows, Rows]:
    """Return the starts and labels of the windows, and no pairs."""
    starts = np.arange(recording.seconds[0], recording.seconds[-1] + 1, _STEP)
    labels = recording.window_labels(starts)
    usable = labels >= 0
    return starts[usable], labels[usable], np.empty((0, 2), dtype=int)


def _select_transitions(recording: _Recording) -> tuple[Rows, Rows, Rows]:
    """Return the starts of distinct windows, and the labels and rows of the pairs."""
    labels = recording.labels
    changes = np.flatnonzero(np.diff(labels)) + 1
    p, q = (grid.ravel() for grid in np.meshgrid(_DISTANCES, _DISTANCES, indexing="ij"))
    second = recording.seconds[changes, None]
    starts = np.stack([second - p - _WINDOW, second + q], axis=-1)  # (n_changes, 9, 2)
    sides = np.stack([labels[changes - 1], labels[changes]], axis=-1)[:, None]  # (n_changes, 1, 2)
    usable = (recording.window_labels(starts) == sides).all(axis=-1)
    distinct, rows = np.unique(starts[usable], return_inverse=True)
    target = np.broadcast_to(sides[..., 1], usable.shape)[usable]
    return distinct, target, rows.reshape(-1, 2)
