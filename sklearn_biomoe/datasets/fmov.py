"""Facial muscles and skin conductance during clips of angry, happy and neutral faces."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ..recordings import Recording, read_study
from ..signals.cutting import cut_windows
from ..signals.events import EventSettings
from ._folders import Source, make_bunch, open_files

_REPOSITORY = "GNilsonne/Data-and-analysis-code-Oxazepam-and-emotion-2"
_COMMIT = "f02337bd0b563f59cb9d128a2312d2ddc1716b90"
SOURCE = Source(
    "oxazepam_fmov",
    "Oxazepam and emotion, FMOV",
    f"To download them manually, clone https://github.com/{_REPOSITORY} and check out commit "
    f"{_COMMIT[:7]}.",
    f"https://raw.githubusercontent.com/{_REPOSITORY}/{_COMMIT}/",
)
RATE = 100.0  # Hz
SIGNALS = (
    "eda",
    "emg_zygomaticus",
    "emg_corrugator",
    "rectified_zygomaticus",
    "rectified_corrugator",
)
STIMULI = ("angry", "happy", "neutral")  # the columns after those of signals
STEP_AT_ONSET = -5  # V

_DESCR = """\
Oxazepam and emotion, experiment FMOV: skin conductance (in microsiemens) and electromyograms of the
zygomaticus major and corrugator supercilii (in mV), raw and as average rectified values, at 100 Hz,
of 36 subjects who watched 12 clips of angry, happy and neutral faces, four of each. These are the
subjects of the first wave, 9 to 47, of the 75 in the experiment. The labels are the stimuli, not
pain or stress.

Licence: CC0 1.0. Cite: Nilsonne G. et al. 2017, "Effects of 25 mg oxazepam on emotional mimicry and
empathy for pain: a randomized controlled experiment", Royal Society Open Science 4:160607,
doi:10.1098/rsos.160607; methods: doi:10.6084/m9.figshare.1558201.

Pitfalls: the order of stimuli is one of two fixed orders in which classes are spread over time. A
line through the time since the start hardly predicts the class; a spline, which can learn the two
orders, does. The order is nearly the same within a treatment group: half of the subjects had taken
25 mg of oxazepam, the others a placebo. A raw electromyogram at 100 Hz lacks most of the muscle's
frequencies, so the rectified values are the better measure. Skin conductance responses take longer
than 6 s. The skin conductance of subject 25 is not a measurement. Subject 36 is excluded, as in the
publication.
"""


def fetch_fmov(
    *,
    data_home: str | os.PathLike[str] | None = None,
    around: tuple[float, float] = (-2, 6),
    on_error: str = "raise",
    download_if_missing: bool = True,
) -> Bunch:
    """Load windows at clips of angry, happy and neutral faces, with facial electromyograms.

    The files are searched as `fetch_stress_predict` does, in folders named ``oxazepam_fmov``; each
    may be compressed with gzip. If they are not found, they are downloaded (71 MB).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder for the files.
    around : (float, float), default=(-2, 6)
        Start and end of windows in seconds from the onset of a clip; the default is that of the
        publication. Clips are about 20 s apart.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.
    download_if_missing : bool, default=True
        If False, raise OSError if the files are not found.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``eda`` (µS), ``emg_zygomaticus`` and ``emg_corrugator`` (mV, raw)
            and ``rectified_zygomaticus`` and ``rectified_corrugator`` (mV). Cells of signals are
            float64 arrays of shape (800,) for windows of 8 s, read-only views of the recording. 432
            rows.
        target : ndarray of shape (n_windows,), str
            "angry", "happy" or "neutral".
        groups : ndarray of shape (n_windows,), int
            The subject, 9 to 47.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the recording to the start of each row.
        events : DataFrame
            All events: subject, onset (seconds from the start of the recording) and stimulus.
        sampling_rates : dict of str to float
            In Hz, by column.
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
    Nilsonne G. et al. 2017, "Effects of 25 mg oxazepam on emotional mimicry and empathy for pain: a
    randomized controlled experiment", Royal Society Open Science 4:160607,
    doi:10.1098/rsos.160607.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import fetch_fmov
    >>> windows = fetch_fmov()  # doctest: +SKIP
    >>> windows.data.shape  # doctest: +SKIP
    (432, 6)
    """
    EventSettings(None, None, None, around, None, "drop").check()
    files, skipped = open_files(
        SOURCE,
        data_home,
        download_if_missing=download_if_missing,
        on_error=on_error,
        subject_of=lambda path: path.removeprefix("FMOV/")[:2],
    )
    names = [*SIGNALS, *STIMULI, "empty"]  # lines end with a tab
    study = read_study(
        pd.DataFrame({"subject": [path[5:7] for path in files], "path": files.values()}),
        signals={name: name for name in names[:-1]},
        sampling_rates=dict.fromkeys(names[:-1], RATE),
        names=names,
        time=False,
    )
    recordings = {int(subject): recording for subject, recording in study.items()}
    events = _read_events(recordings)
    windows = cut_windows(
        recordings,
        dict.fromkeys(SIGNALS, RATE),
        events=events,
        around=around,
    )
    return make_bunch(windows, skipped, _DESCR, events=events)


def _read_events(recordings: Mapping[int, Recording]) -> pd.DataFrame:
    """Return the onsets of clips: steps from 5 V to 0 V of the marker of each stimulus."""
    rows = [
        (subject, float(onset) / RATE, stimulus)
        for subject, recording in recordings.items()
        for stimulus in STIMULI
        for onset in np.flatnonzero(np.diff(recording[stimulus].samples) == STEP_AT_ONSET) + 1
    ]
    events = pd.DataFrame(rows, columns=["subject", "onset", "stimulus"])
    return events.sort_values(["subject", "onset"], ignore_index=True)
