"""Quality of pulse and ECG from the shape of beats, by NeuroKit2."""

import warnings

import numpy as np
import pandas as pd

from ..._typing import FloatArray, Rows
from ..eda_decomposer import import_neurokit
from .findings import MeasuredSignal
from .measures import fill_gaps

NEEDED_CORRELATION = {"bvp": 0.86, "ppg": 0.86, "ecg": 0.66}
HEART_RATES = (40.0, 180.0)  # beats per minute
LONGEST_INTERVAL = 3.0  # seconds
INTERVAL_RATIO = 2.2  # of the longest to the shortest interval of a window


def rate_beats(signal: MeasuredSignal, at_most: int) -> pd.DataFrame:
    """Rate up to ``at_most`` windows of each subject.

    Returns
    -------
    quality : DataFrame
        A row for each subject, with the columns windows (number of those rated), correlation
        (median over windows) and usable (share of windows).
    """
    present = pd.Series(np.flatnonzero(~signal.windows.missing))
    subjects = signal.subjects[present.to_numpy()]
    rows = [_spread(own.to_numpy(), at_most) for _, own in present.groupby(subjects)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NeuroKit2, about pandas and windows without beats
        rated = [(row, *_rate_window(signal, row)) for row in np.concatenate(rows).tolist()]
    table = pd.DataFrame(rated, columns=["row", "correlation", "usable"])
    table["subject"] = signal.subjects[table["row"].to_numpy()]
    by_subject = table.groupby("subject")
    return pd.DataFrame(
        {
            "windows": by_subject.size(),
            "correlation": by_subject["correlation"].median(),
            "usable": by_subject["usable"].mean(),
        }
    )


def _spread(rows: Rows, at_most: int) -> Rows:
    return rows[np.unique(np.linspace(0, len(rows) - 1, at_most).round().astype(int))]


def _rate_window(signal: MeasuredSignal, row: int) -> tuple[float, bool]:
    """Return the mean correlation of beats with their mean, and whether a window is usable."""
    neurokit = import_neurokit("beat_quality requires", "use summary(), which needs no library")
    samples = fill_gaps(np.asarray(signal.windows.values[row], dtype=np.float64)[:1])[0]
    is_ecg = signal.modality == "ecg"
    clean = neurokit.ecg_clean if is_ecg else neurokit.ppg_clean
    find_peaks = neurokit.ecg_peaks if is_ecg else neurokit.ppg_peaks
    match = neurokit.ecg_quality if is_ecg else neurokit.ppg_quality
    rate = {"sampling_rate": signal.sampling_rate}
    try:
        cleaned = clean(samples, **rate)
        found = find_peaks(cleaned, **rate)[1]
        peaks = np.asarray(found["ECG_R_Peaks" if is_ecg else "PPG_Peaks"], dtype=int)
        # The first and the last beat may be cut off.
        matched = match(cleaned, peaks[1:-1], **rate, method="templatematch")
    except (ValueError, IndexError, KeyError, ZeroDivisionError):  # too few beats
        return np.nan, False
    correlation = float(np.nanmean(matched)) if np.isfinite(matched).any() else np.nan
    needed = NEEDED_CORRELATION[signal.modality]
    return correlation, _are_plausible(peaks / signal.sampling_rate) and correlation >= needed


def _are_plausible(times: FloatArray) -> bool:
    """Return whether the times of beats obey the rules of Orphanidou et al."""
    intervals = np.diff(times)
    if len(intervals) < 2:
        return False
    low, high = HEART_RATES
    is_usual = low <= 60 / intervals.mean() <= high
    has_all = intervals.max() <= LONGEST_INTERVAL
    return bool(is_usual and has_all and intervals.max() / intervals.min() <= INTERVAL_RATIO)
