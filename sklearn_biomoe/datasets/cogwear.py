"""CogWear: wrist recordings of a Stroop test and of the rest after it, cut into windows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import Rows
from .._validation.parameters import check_option
from ..recordings import Channel, Recording, read_study
from ..signals.cutting import cut_windows
from ._folders import Source, make_bunch, open_files
from ._spans import common_span, whole_recordings

SOURCE = Source(
    "cogwear",
    "CogWear",
    "To download them manually, get https://physionet.org/content/consumer-grade-wearables/1.0.0.",
    "https://physionet.org/files/consumer-grade-wearables/1.0.0/",
    # The published name of one file differs from those of its kind; a copy has the usual name.
    renamed=(("empatica_emda", "empatica_eda"),),
)
PARTS = {"cognitive_load": "stroop", "baseline": "rest"}  # in the order of a session
DURATION, STEP = 60.0, 30.0  # seconds
DISTANCES = (0.0, 30.0, 60.0)  # seconds between a window and the end or start of its part

_DESCR = """\
CogWear 1.0.0: wrist blood volume pulse (64 Hz) and skin conductance (4 Hz, in microsiemens) of 23
subjects in 34 sessions, recorded with an Empatica E4 during a Stroop test of about 5 minutes and
the rest of about 3 minutes after it. The labels are rest and Stroop, not pain.

Licence: Open Data Commons Open Database License 1.0 (ODbL). Cite: Grzeszczyk M.K., Blanco R.,
Adamczyk P., Kus M., Marek S., Pręcikowski R., Lisowska A. 2023, "CogWear: Can we detect cognitive
effort with consumer-grade wearables?" (version 1.0.0), PhysioNet, doi:10.13026/5f6t-b637; the
original publication, arXiv:2302.03616; and Goldberger A.L. et al. 2000, "PhysioBank,
PhysioToolkit, and PhysioNet", Circulation 101(23):e215-e220.

Pitfalls: the order is the same in all sessions, Stroop first and rest after it, so the time since
the start predicts the class, with the opposite sign of Stress-Predict, in which rest is first. Skin
conductance rises over a session, so its mean is higher at rest in most sessions. Subject 20 is
excluded, since the files of both parts are identical; there is no subject 19. Subjects 0 to 10 have
one session, most others two, weeks apart, before and after a change of surveys. The recordings of
surveys, temperature, the Samsung watch and the EEG headband are not read. The files of the Stroop
test of subject 15 after the change begin with the sampling rate, which is taken as missing. Wrist
signals contain movement artefacts.
"""


def fetch_cogwear(
    *,
    data_home: str | os.PathLike[str] | None = None,
    protocol: str = "grid",
    on_error: str = "raise",
    download_if_missing: bool = True,
) -> Bunch:
    """Load windows of a Stroop test and of rest from the CogWear data set.

    The files are searched as `fetch_stress_predict` does, in folders named ``cogwear``; each may be
    compressed with gzip. If they are not found, they are downloaded (25 MB).

    Parameters
    ----------
    data_home : path-like, default=None
        Folder for the files.
    protocol : {"grid", "transitions"}, default="grid"
        - "grid": windows of 60 s that start at the beginning of each part of a session and every
          30 s after it.
        - "transitions": pairs of windows of a session as those of `fetch_stress_predict`: the
          earlier one ends 0, 30 or 60 s before the end of the Stroop test, the later one starts 0,
          30 or 60 s after the beginning of rest. The parts are one minute or more apart.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error, or its subject is left out and listed in
        ``skipped`` and ``DESCR``.
    download_if_missing : bool, default=True
        If False, raise OSError if the files are not found.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject``, ``bvp`` and ``eda`` (µS). Cells of the latter two are float64
            arrays of shape (3840,) and (240,), read-only views of the recording.
        target : ndarray, int
            "grid": shape (n_windows,), 0 for rest and 1 for the Stroop test. "transitions": shape
            (n_pairs,), 0 for all pairs, since the later window is rest: the class of a pair in
            `fetch_stress_predict` is 1 if the later window is stress.
        groups : ndarray of the shape of ``target``, int
            The subject, 0 to 24.
        pairs : ndarray of shape (n_pairs, 2), int
            Only for "transitions": rows of ``data`` of the earlier and the later window.
        elapsed_time : ndarray of shape (n_windows,), float64
            Seconds from the start of the session to the start of each row.
        events : DataFrame
            For each row of ``data``: subject, session ("only", "pre" or "post") and part ("stroop"
            or "rest").
        sampling_rates : dict of str to float
            In Hz, by modality.
        target_names : list of str
            "rest" and "stroop".
        dropped : DataFrame
            Windows that are not in ``data``, with the reason, as `cut_windows` returns it.
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
    Grzeszczyk M.K. et al. 2023, "CogWear: Can we detect cognitive effort with consumer-grade
    wearables?" (version 1.0.0), PhysioNet, doi:10.13026/5f6t-b637.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import fetch_cogwear
    >>> pairs = fetch_cogwear(protocol="transitions")  # doctest: +SKIP
    >>> pairs.data.shape, pairs.pairs.shape  # doctest: +SKIP
    ((199, 3), (291, 2))
    """
    check_option("protocol", protocol, ["grid", "transitions"])
    files, skipped = open_files(
        SOURCE,
        data_home,
        download_if_missing=download_if_missing,
        on_error=on_error,
        subject_of=lambda path: path.split("/")[1],
    )
    recordings = _read_parts(files)
    if protocol == "grid":
        windows = cut_windows(
            recordings, events=whole_recordings(recordings), duration=DURATION, step=STEP
        )
    else:
        events = _around_changes(recordings)
        with_events = {name: recordings[name] for name in events["subject"].unique()}
        windows = cut_windows(with_events, events=events, around=(0.0, DURATION))
    keys = pd.Series(windows.groups)
    events = keys.str.split("/", expand=True).set_axis(["subject", "session", "part"], axis=1)
    events = events.astype({"subject": int}).replace({"part": PARTS})
    bunch = make_bunch(
        windows,
        skipped,
        _DESCR,
        data=windows.data.assign(subject=events["subject"]),
        target=(events["part"] == "stroop").to_numpy(int),
        groups=events["subject"].to_numpy(),
        elapsed_time=windows.start_times + keys.map(_delays(recordings)).to_numpy(),
        events=events,
        target_names=["rest", "stroop"],
    )
    if protocol == "transitions":
        bunch.pairs = _pairs(events)
        bunch.groups = bunch.groups[bunch.pairs[:, 0]]
        bunch.target = np.zeros(len(bunch.pairs), dtype=int)
    return bunch


def _read_parts(files: Mapping[str, Path]) -> dict[str, Recording]:
    """Return the recording of each part by a key such as "11/pre/baseline"."""
    rows = []
    for path, file in files.items():
        *session, part, name = PurePosixPath(path).parts[1:]
        subject, *which = session
        key = "/".join([subject, *(which or ["only"]), part])
        rows.append({"subject": key, "signal": "bvp" if "bvp" in name else "eda", "path": file})
    study = read_study(pd.DataFrame(rows))
    return {
        key: replace(recording, channels={n: _without_header(recording[n]) for n in ("bvp", "eda")})
        for key, recording in study.items()
    }


def _without_header(channel: Channel) -> Channel:
    """Return a channel without the sampling rate and the first zero of the device's file."""
    if channel.samples[0] != channel.sampling_rate:
        return channel
    samples = channel.samples.copy()
    samples[:2] = np.nan
    return replace(channel, samples=samples)


def _around_changes(recordings: Mapping[str, Recording]) -> pd.DataFrame:
    """Return the starts of windows before the end of Stroop tests and after the start of rest."""
    rows = []
    for key, recording in recordings.items():
        first, last = common_span(recording)
        is_rest = key.endswith("/baseline")
        starts = [first + far if is_rest else last - far - DURATION for far in DISTANCES]
        inside = (start for start in starts if first <= start and start + DURATION <= last)
        rows += [(key, start) for start in sorted(inside)]
    return pd.DataFrame(rows, columns=["subject", "onset"])


def _delays(recordings: Mapping[str, Recording]) -> dict[str, float]:
    """Return the seconds from the start of its session to that of each part."""
    starts = pd.Series({key: part.start_time for key, part in recordings.items()})
    sessions = starts.index.str.rpartition("/").get_level_values(0)
    delays = starts - starts.groupby(sessions).transform("min")
    return dict(delays.dt.total_seconds())


def _pairs(events: pd.DataFrame) -> Rows:
    """Return the rows of all windows of a Stroop test, with all of the rest after it."""
    pairs: list[tuple[int, int]] = []
    for _, rows in events.groupby(["subject", "session"]):
        stroop, rest = (rows.index[rows["part"] == part] for part in ("stroop", "rest"))
        pairs += product(stroop, rest)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
