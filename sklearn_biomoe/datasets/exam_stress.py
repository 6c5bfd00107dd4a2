"""Wearable Exam Stress: unlabelled wrist recordings around exams, cut into windows."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

import pandas as pd
from sklearn.utils import Bunch

from ..recordings import read_study
from ..signals.cutting import cut_windows
from ..signals.events import EventSettings
from ._folders import Source, make_bunch, open_files
from ._spans import whole_recordings

SOURCE = Source(
    "exam_stress",
    "Wearable Exam Stress",
    "To download them manually, get https://physionet.org/content/wearable-exam-stress/1.0.0.",
    "https://physionet.org/files/wearable-exam-stress/1.0.0/",
    renamed=(("data/", ""), ("midterm_", "Midterm")),
)
SIGNALS = ("eda", "temp", "hr")

_DESCR = """\
Wearable Exam Stress 1.0.0: skin conductance (4 Hz, in microsiemens), skin temperature (4 Hz, in
degrees Celsius) and heart rate (1 Hz, per minute) of 10 students around two midterm exams and the
final exam of a course, recorded with an Empatica E4: 30 recordings, 123 hours. There are no labels
of rest or stress.

Licence: Open Data Commons Attribution License 1.0 (ODC-By). Cite: Amin M.R., Wickramasuriya D.S.,
Faghih R.T. 2022, "A Wearable Exam Stress Dataset for Predicting Grades using Physiological
Signals", IEEE Healthcare Innovations and Point of Care Technologies; the record "A Wearable Exam
Stress Dataset for Predicting Cognitive Performance in Real-World Settings" (version 1.0.0),
PhysioNet, doi:10.13026/kvkb-aj90; and Goldberger A.L. et al. 2000, "PhysioBank, PhysioToolkit, and
PhysioNet", Circulation 101(23):e215-e220.

Pitfalls: skin conductance is near 0 for most of some recordings (S6 midterm 2, S3 and S6 final), so
the electrodes had no contact. The notes state that exams start at 9:00; recordings of midterms
start 40 to 65 minutes before that, those of finals 90 minutes after it. Dates are shifted. The
heart rate is the device's own and is an average of the last 10 seconds. Blood volume pulse,
acceleration and intervals between beats are not read. Wrist signals contain movement artefacts.
"""


def fetch_exam_stress(
    *,
    data_home: str | os.PathLike[str] | None = None,
    duration: float = 60,
    step: float | None = None,
    on_error: str = "raise",
    download_if_missing: bool = True,
) -> Bunch:
    """Load unlabelled windows from the Wearable Exam Stress data set.

    The files are searched as `fetch_stress_predict` does, in folders named ``exam_stress``; each
    may be compressed with gzip. If they are not found, they are downloaded (29 MB).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder for the files.
    duration : float, default=60
        Length of a window in seconds.
    step : float, default=None
        Seconds between the starts of consecutive windows. None takes ``duration``.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its student is left out and listed in
        ``skipped`` and ``DESCR``.
    download_if_missing : bool, default=True
        If False, raise OSError if the files are not found.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``eda`` (µS), ``temp`` (°C) and ``hr`` (per minute). Cells of the
            latter three are float64 arrays, read-only views of the recording. 7,370 rows for
            windows of 60 s.
        target : None
            There are no labels.
        groups : ndarray of shape (n_windows,), int
            The student, 1 to 10.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the recording.
        events : DataFrame
            For each row of ``data``: subject and exam ("midterm_1", "midterm_2" or "final").
        sampling_rates : dict of str to float
            In Hz, by modality.
        dropped : DataFrame
            Windows that are not in ``data``, with the reason, as `cut_windows` returns it.
        skipped : DataFrame
            Columns subject, path and reason.
        DESCR : str
            Licence, citation and pitfalls.

    Raises
    ------
    ValueError
        If the content of a file does not match its hash, or windows do not fit the recordings.
    OSError
        If the files are not found and must not be downloaded, or the download fails.
    ImportError
        If a download is required and pooch is not installed.

    References
    ----------
    Amin M.R., Wickramasuriya D.S., Faghih R.T. 2022, "A Wearable Exam Stress Dataset for Predicting
    Grades using Physiological Signals", IEEE Healthcare Innovations and Point of Care Technologies.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import fetch_exam_stress
    >>> windows = fetch_exam_stress()  # doctest: +SKIP
    >>> windows.data.shape  # doctest: +SKIP
    (7370, 4)
    """
    EventSettings(duration, step, None, None, None, "drop").check()
    files, skipped = open_files(
        SOURCE,
        data_home,
        download_if_missing=download_if_missing,
        on_error=on_error,
        subject_of=lambda path: path.split("/")[1],
    )
    rows = []
    for path, file in files.items():
        _, student, exam, name = PurePosixPath(path).parts
        signal = name.removesuffix(".csv").lower()
        rows.append({"subject": f"{student}/{exam.lower()}", "signal": signal, "path": file})
    recordings = read_study(pd.DataFrame(rows), signals={name: name.upper() for name in SIGNALS})
    windows = cut_windows(
        recordings, events=whole_recordings(recordings), duration=duration, step=step
    )
    keys = pd.Series(windows.groups).str.extract(r"S(?P<subject>\d+)/(?P<exam>.*)")
    events = keys.astype({"subject": int})
    return make_bunch(
        windows,
        skipped,
        _DESCR,
        data=windows.data.assign(subject=events["subject"])[["subject", *SIGNALS]],
        target=None,
        groups=events["subject"].to_numpy(),
        events=events,
    )
