"""Cutting recordings into labelled windows."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from .._typing import Array, FloatArray, Rows
from .._validation.parameters import check_number, check_option
from ..recordings.recording import Recording
from .events import EventSettings, cut_events
from .intervals import (
    SubjectSignals,
    check_rates,
    cut_intervals,
    length_of,
    list_intervals,
    read_signals,
    sampling_rates_of,
)


def cut_windows(
    recordings: Mapping[Any, Recording | Mapping[str, ArrayLike]],
    sampling_rates: Mapping[str, float] | None = None,
    *,
    duration: float | None = None,
    step: float | None = None,
    labels: Mapping[Hashable, ArrayLike] | None = None,
    label_rate: float = 1.0,
    mixed: str = "drop",
    events: pd.DataFrame | str | None = None,
    label: str | None = None,
    around: tuple[float, float] | None = None,
    baseline: tuple[float, float] | None = None,
    unusable: str = "drop",
) -> Bunch:
    """Cut recordings of several subjects into windows at the same times in all modalities.

    Windows are cut at regular times, with one label per second or sample (``labels``), or at events
    (``events``): they tile each event, or are at a fixed time around each onset (``around``).

    All signals of a recording, and its labels, start at the same time. Without events, a window may
    start at that time and every ``step`` seconds after it. Every possible start is either a window
    or a row of ``dropped``. A window starts at the nearest sample, and all windows have the same
    number of samples per modality.

    Parameters
    ----------
    recordings : dict of subject to Recording, or to dict (or DataFrame) of modality to array
        Arrays have shape (n_times,) or (n_channels, n_times). The channels of a `Recording` are
        its modalities. All subjects have the same modalities.
    sampling_rates : dict of modality to float, default=None
        In Hz. Other modalities of the recordings are ignored. None takes all channels of
        `Recording` objects with their own rates.
    duration : float, default=None
        Length of a window in seconds. Required unless ``around`` is given.
    step : float, default=None
        Seconds between the starts of consecutive windows. None takes ``duration``, for windows
        that do not overlap.
    labels : dict of subject to array of shape (n_labels,), default=None
        Numbers, strings or booleans. NaN and None mean no label, as does the time after the last
        label.
    label_rate : float, default=1.0
        Labels per second: 1 for one per second, a sampling rate for one per sample.
    mixed : {"drop", "majority", "raise"}, default="drop"
        How to handle windows with more than one label, where time without a label counts as a
        label: drop them, assign the label with the longest time, or raise ValueError.
    events : DataFrame or "annotations", default=None
        Columns ``subject``, ``onset`` and ``duration`` (seconds from the start of the recording; or
        onsets as timestamps, if the recordings have a start time), and one or more columns of
        labels or ratings. `read_events` reads such a table. "annotations" takes those of the
        `Recording` objects, with the column ``label``.
    label : str, default=None
        The column of ``events`` that becomes the target. Required if there are several.
    around : (float, float), default=None
        Seconds before (negative) and after each onset, such as (-2, 18), for one window per event.
        None tiles each event with windows of ``duration``.
    baseline : (float, float), default=None
        Seconds around each onset, such as (-2, 0), whose mean is subtracted from the windows of the
        event, by channel.
    unusable : {"drop", "missing", "raise"}, default="drop"
        How to handle windows of events that touch a gap of a signal or reach beyond it: drop them,
        keep them with a missing window in that modality, or raise ValueError. Windows that overlap
        another event with other labels are dropped, or raise ValueError with "raise".

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject`` and one per modality, whose cells are read-only views of the
            recordings, of shape (n_times,) or (n_channels, n_times).
        target : ndarray of shape (n_windows,) or None
            The labels, if given; a `pandas.Categorical` if ``label`` is a column of ordered levels.
            A `pandas.Categorical` in ``labels`` loses its order.
        groups : ndarray of shape (n_windows,)
            The subjects.
        start_times : ndarray of shape (n_windows,), float64
            In seconds from the start of the recording.
        events : DataFrame
            With ``events``: for each window ``subject``, ``event`` (the row in ``events``, or of
            the subject's annotations), ``start_time`` and all columns of labels.
        dropped : DataFrame
            Columns ``subject``, ``start_time`` and ``reason``: "past the end of 'eda'", "no label",
            "partly without a label", "mixed labels", or "tied labels" with ``mixed="majority"``;
            with events also ``event`` and the reasons "before the start", "gap in 'eda'", "gap in
            the baseline of 'eda'", "overlaps event 3" and "event shorter than a window".
        sampling_rates : dict of str to float
            In Hz, by modality.

    Raises
    ------
    ValueError
        If a time or rate is not positive; a window is shorter than one sample; a subject lacks a
        modality or labels; labels are longer than the recording; a window has mixed labels with
        ``mixed="raise"``; events name unknown subjects or columns; a window is unusable with
        ``unusable="raise"``; or all windows are dropped.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.signals import cut_windows
    >>> recordings = {
    ...     "S1": {"eda": np.zeros(4 * 200), "bvp": np.zeros(64 * 200)},
    ...     "S2": {"eda": np.zeros(4 * 150), "bvp": np.zeros(64 * 150)},
    ... }
    >>> labels = {"S1": ["rest"] * 120 + ["pain"] * 80, "S2": ["rest"] * 90 + ["pain"] * 60}
    >>> windows = cut_windows(recordings, {"eda": 4, "bvp": 64}, duration=60, labels=labels)
    >>> windows.data["bvp"][0].shape, windows.target.tolist(), windows.groups.tolist()
    ((3840,), ['rest', 'rest', 'pain', 'rest'], ['S1', 'S1', 'S1', 'S2'])
    >>> windows.dropped
      subject  start_time                 reason
    0      S1       180.0  past the end of 'eda'
    1      S2        60.0           mixed labels
    2      S2       120.0  past the end of 'eda'
    """
    check_option("mixed", mixed, ["drop", "majority", "raise"])
    if not recordings:
        raise ValueError("recordings is empty; expected signals by subject and modality.")
    rates = sampling_rates_of(recordings, sampling_rates)
    if events is not None:
        if labels is not None:
            raise ValueError("Pass labels or events, not both.")
        settings = EventSettings(duration, step, label, around, baseline, unusable)
        return cut_events(recordings, rates, events, settings)
    if duration is None:
        raise ValueError("duration=None; expected the length of windows in seconds.")
    sampling_rates = rates
    check_rates(sampling_rates, duration)
    step = duration if step is None else step
    check_number("step", step, above=0, unit="seconds")
    check_number("label_rate", label_rate, above=0, unit="Hz")
    signals = {
        subject: read_signals(subject, recording, sampling_rates)
        for subject, recording in recordings.items()
    }
    tables = {}
    for subject, recording in signals.items():
        start_times = np.arange(0, max(length_of(recording, sampling_rates), step / 2), step, float)
        tables[subject] = list_intervals(subject, start_times, recording, sampling_rates, duration)
    classes = None
    if labels is not None:
        codes, classes = _encode(labels, signals, sampling_rates, label_rate)
        for subject, table in tables.items():
            _label(table, codes[subject], len(classes), duration, label_rate, mixed)
    intervals = pd.concat(tables.values(), ignore_index=True)
    windows = cut_intervals(intervals, signals, sampling_rates, duration)
    if classes is not None:
        windows.target = classes[intervals["code"][intervals["reason"] == ""]]
    return windows


def _encode(
    labels: Mapping[Hashable, ArrayLike],
    signals: Mapping[Hashable, SubjectSignals],
    sampling_rates: Mapping[str, float],
    label_rate: float,
) -> tuple[dict[Hashable, Rows], Array]:
    """Return the labels of each subject as indices of the classes, -1 for none, and the classes."""
    series = []
    for subject, recording in signals.items():
        if subject not in labels:
            raise ValueError(f"Subject {subject!r} has no labels; expected an array per subject.")
        given = labels[subject]
        # numpy converts NaN in a list of strings to "nan".
        values = pd.Series(given if isinstance(given, list | tuple) else np.asarray(given))
        excess = len(values) / label_rate - length_of(recording, sampling_rates)
        if excess * label_rate >= 1 + 1e-6:
            raise ValueError(
                f"Subject {subject!r} has {len(values)} labels, which at label_rate="
                f"{label_rate:g} last {excess:g} s longer than the longest signal; pass the number "
                "of labels per second as label_rate, or cut the labels to the recording."
            )
        series.append(values)
    codes, classes = pd.factorize(pd.concat(series), sort=True)
    ends = np.cumsum([len(values) for values in series])
    return dict(zip(signals, np.split(codes, ends[:-1]), strict=True)), np.asarray(classes)


def _label(
    intervals: pd.DataFrame,
    codes: Rows,
    n_classes: int,
    duration: float,
    label_rate: float,
    mixed: str,
) -> None:
    """Add ``code``, the class of each interval, and the reasons for unusable labels."""
    starts = intervals["start_time"].to_numpy()
    seconds = _seconds_per_class(codes, n_classes, starts, duration, label_rate)
    is_inside = intervals["reason"].to_numpy() == ""
    is_mixed = (seconds > 0).sum(axis=1) > 1
    if mixed == "raise" and (is_mixed & is_inside).any():
        raise ValueError(
            f"The window of subject {intervals['subject'][0]!r} that starts at "
            f"{starts[is_mixed & is_inside][0]:g} s has more than one label, where time without a "
            f"label counts as one ({(is_mixed & is_inside).sum()} such windows of this subject); "
            "pass mixed='drop' or mixed='majority'."
        )
    is_tied = (seconds == seconds.max(axis=1, keepdims=True)).sum(axis=1) > 1
    ambiguous, reason = (
        (is_tied, "tied labels") if mixed == "majority" else (is_mixed, "mixed labels")
    )
    code = seconds.argmax(axis=1)
    intervals["code"] = code
    intervals.loc[is_inside & (code == n_classes), "reason"] = "no label"
    intervals.loc[is_inside & ambiguous, "reason"] = reason
    if mixed == "drop":
        is_one_class = (seconds[:, :-1] > 0).sum(axis=1) == 1
        intervals.loc[is_inside & is_mixed & is_one_class, "reason"] = "partly without a label"


def _seconds_per_class(
    codes: Rows, n_classes: int, starts: FloatArray, duration: float, label_rate: float
) -> FloatArray:
    """Return seconds of each class per window, (n_windows, n_classes + 1); the last is no label."""
    edges = np.arange(len(codes) + 1) / label_rate
    seconds = np.empty((len(starts), n_classes + 1))
    for code in range(n_classes):
        until = np.append(0, np.cumsum(codes == code)) / label_rate
        stop, start = (np.interp(times, edges, until) for times in (starts + duration, starts))
        seconds[:, code] = stop - start
    seconds[:, -1] = duration - seconds[:, :-1].sum(axis=1)
    return np.round(seconds, 6)
