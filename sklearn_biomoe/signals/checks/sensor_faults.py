"""Checks of sensors: gaps, flat, clipped and repeated windows, values off the axis, quality."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..._typing import Mask
from ..modalities import MODALITIES
from .findings import Finding, MeasuredSignal, describe_subjects
from .rhythms import quality_rhythm

FLAT_RUN = 0.5  # of a window
CLIPPED_SHARE = 0.01  # of the samples of a window
NEARLY_ALL, MANY = 0.95, 0.1  # share of windows
USABLE_STRENGTH = 0.3  # of the own rhythm
MOST_INVALID = 0.1  # of the samples of skin conductance
MOST_LINE = 0.5  # of the power of EMG and EEG
EXPLAINED = 0.9  # share of the rows of a finding that others have, too
COARSE = ("spo2", "resp_rate")  # equal samples are normal in whole numbers


def check_sensor(signal: MeasuredSignal) -> Iterator[Finding]:
    """Yield findings about samples that no sensor on a person gives.

    References
    ----------
    Samples at the floor or the ceiling of a device: Kleckner et al. 2018, IEEE Trans. Biomed. Eng.
    65(7):1460, doi:10.1109/TBME.2017.2758643. Constant channels and gaps: Bigdely-Shamlo et al.
    2015, Front. Neuroinform. 9:16, doi:10.3389/fninf.2015.00016. The shares are our choice.
    """
    yield from _check_missing(signal)
    yield from _check_gaps(signal)
    yield from _check_flat(signal)
    yield from _check_clipped(signal)
    yield from _check_repeated(signal)


def _check_missing(signal: MeasuredSignal) -> Iterator[Finding]:
    rows = np.flatnonzero(signal.windows.missing)
    if len(rows):
        grade = "warning" if len(rows) >= 0.5 * len(signal.windows) else "note"
        advice = "They become blank images and embeddings of NaN: pass impute=True, or drop them."
        yield signal.finding(grade, "missing", f"{signal.count(rows)} are missing.", advice, rows)


def _check_gaps(signal: MeasuredSignal) -> Iterator[Finding]:
    rows = signal.rows(signal.measures["nan"] > 0)
    if len(rows):
        share = float(signal.measures["nan"][signal.measures["nan"] > 0].median())
        message = f"{signal.count(rows)} hold NaN or infinity, in {100 * share:.3g} % of samples."
        advice = (
            "Transformers refuse them: set wrong samples to NaN and fill them with "
            "SignalFilter(missing='interpolate'), or drop these windows."
        )
        yield signal.finding("warning", "gaps", message, advice, rows, share_of_samples=share)


def find_flat(signal: MeasuredSignal) -> Mask:
    """Return which rows of measures have the same value for half of the window or longer."""
    if signal.modality in COARSE:
        return np.zeros(len(signal.measures), dtype=bool)
    return (signal.measures["constant"] >= FLAT_RUN).to_numpy()


def _check_flat(signal: MeasuredSignal) -> Iterator[Finding]:
    flat = find_flat(signal)
    if not flat.any():
        return
    rows = signal.rows(flat)
    shares = pd.Series(flat).groupby(signal.measures["subject"].to_numpy()).mean()
    dead = shares.index[shares >= NEARLY_ALL]
    grade = _grade(len(rows) / len(signal.windows))
    message = f"{signal.count(rows)} have the same value for half of their length or longer."
    if len(dead) and grade != "error":
        grade = "warning"
        message += f" It is nearly all windows of {describe_subjects(dead)}."
    advice = "The sensor was off, or lost contact: set these windows to NaN, or drop them."
    yield signal.finding(grade, "flat", message, advice, rows)


def _grade(share: float) -> str:
    return "error" if share >= NEARLY_ALL else "warning" if share >= MANY else "note"


def find_clipped(signal: MeasuredSignal) -> Mask:
    """Return which rows of measures stay at the highest or lowest value of their subject."""
    if signal.modality in COARSE:
        return np.zeros(len(signal.measures), dtype=bool)
    measures = signal.measures
    by_subject = measures.groupby(["subject", "channel"])
    at_top = measures["highest"] == by_subject["highest"].transform("max")
    at_bottom = measures["lowest"] == by_subject["lowest"].transform("min")
    clipped = at_top & (measures["at_highest"] > CLIPPED_SHARE)
    clipped |= at_bottom & (measures["at_lowest"] > CLIPPED_SHARE)
    return clipped.to_numpy() & ~find_flat(signal)


def _check_clipped(signal: MeasuredSignal) -> Iterator[Finding]:
    clipped = find_clipped(signal)
    if not clipped.any():
        return
    rows = signal.rows(clipped)
    grade = "warning" if len(rows) >= MANY * len(signal.windows) else "note"
    message = f"{signal.count(rows)} stay at the highest or lowest value of the recording."
    advice = (
        "The signal was beyond the range of the device or was cut off: its shape is lost there. "
        "Check the gain, or drop these windows."
    )
    yield signal.finding(grade, "clipped", message, advice, rows)


def _check_repeated(signal: MeasuredSignal) -> Iterator[Finding]:
    if signal.modality in COARSE:
        return
    candidates = np.setdiff1d(
        np.flatnonzero(~signal.windows.missing), signal.rows(find_flat(signal))
    )
    hashes = [hashlib.sha1(signal.windows.values[row].tobytes()).digest() for row in candidates]
    table = pd.DataFrame({"row": candidates, "subject": signal.subjects[candidates]})
    table = table[pd.Series(hashes, dtype=object).duplicated(keep=False).to_numpy()]
    if table.empty:
        return
    table["hash"] = [hashes[position] for position in table.index]
    n_subjects = table.groupby("hash")["subject"].transform("nunique")
    n_windows = len(signal.windows)
    if len(rows := table["row"][n_subjects > 1].to_numpy()):
        grade = "error" if len(rows) >= MANY * n_windows else "warning"
        message = f"{signal.count(rows)} equal a window of another subject."
        advice = "They would be in training and in test: correct the subjects, or drop copies."
        yield signal.finding(grade, "repeated", message, advice, rows)
    if len(rows := table["row"][n_subjects == 1].to_numpy()):
        grade = "warning" if len(rows) >= MANY * n_windows else "note"
        message = f"{signal.count(rows)} equal another window of the same subject."
        yield signal.finding(grade, "repeated", message, "Drop the copies.", rows)


def check_range(signal: MeasuredSignal) -> Iterator[Finding]:
    """Yield a finding about values beyond the axis of waveforms."""
    value_range, unit = MODALITIES[signal.modality].value_range, MODALITIES[signal.modality].unit
    outside = signal.measures["outside"]
    if value_range is None or not (outside > 0).any():
        return
    axis = f"{value_range[0]:g} to {value_range[1]:g} {unit}"
    wholly, mostly = signal.rows(outside == 1), signal.rows(outside > 0.5)
    if len(wholly) >= NEARLY_ALL * len(signal.windows):
        message = f"{signal.count(wholly)} are entirely beyond the axis of {axis}."
        advice = (
            "Their images are equal: check the unit, or draw them on an axis of the training "
            "windows (value_range='training')."
        )
        yield signal.finding("error", "range", message, advice, wholly)
        return
    grade = "warning" if len(mostly) >= MANY * len(signal.windows) else "note"
    rows = mostly if grade == "warning" else signal.rows(outside > 0)
    part = "for more than half of their length" if grade == "warning" else "in part"
    message = f"{signal.count(rows)} are beyond the axis of {axis}, {part}."
    advice = (
        "They are drawn at its border: check the contact of the sensor, or draw them on an axis of "
        "the training windows (value_range='training')."
    )
    yield signal.finding(grade, "range", message, advice, rows)


def score_quality(signal: MeasuredSignal) -> pd.DataFrame:
    """Rate each window.

    Returns
    -------
    quality : DataFrame
        A row for each window, with the columns missing, gaps, flat, clipped (bool), outside (share
        of samples), quality (from 0 to 1: the strength of pulse or breathing, the share of valid
        samples of skin conductance, the share of the power of EMG and EEG that is not interference
        of the mains, 1 for other modalities) and usable (bool).
    """
    measures = signal.measures
    strength = quality_rhythm(signal)
    if strength is not None:
        quality, needed = strength, USABLE_STRENGTH
    elif signal.modality in ("emg", "eeg"):
        quality, needed = 1 - measures["line"].to_numpy(), 1 - MOST_LINE
    else:
        quality, needed = 1 - measures["invalid"].to_numpy(), 1 - MOST_INVALID
    table = pd.DataFrame(
        {
            "row": measures["row"],
            "gaps": measures["nan"] > 0,
            "flat": find_flat(signal),
            "clipped": find_clipped(signal),
            "outside": measures["outside"],
            "quality": quality,
        }
    )
    usable = ~table["flat"] & ~table["gaps"] & (table["quality"] >= needed)
    table["unusable"] = ~(usable & (table["outside"] <= 0.5))
    largest = table.groupby("row").max().drop(columns="quality")
    largest["quality"] = table.groupby("row")["quality"].min()
    rows = pd.RangeIndex(len(signal.windows), name="row")
    scored = largest.reindex(rows)
    scored["missing"] = signal.windows.missing
    flags = ["gaps", "flat", "clipped", "unusable"]
    scored[flags] = scored[flags].astype("boolean").fillna(value=False).astype(bool)
    scored["usable"] = ~scored["unusable"] & ~scored["missing"]
    return scored.drop(columns="unusable")


LOW_QUALITY = {
    "eda": "flat, off the axis, or with invalid samples",
    "resp": "flat, or without regular breathing",
    **dict.fromkeys(("bvp", "ppg", "ecg"), "flat, or without a regular pulse"),
    **dict.fromkeys(("emg", "eeg"), "flat, or mostly interference of the mains (50 or 60 Hz)"),
}


def check_quality(signal: MeasuredSignal, quality: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding if many windows are not usable by the index of their modality.

    References
    ----------
    Breathing: autocorrelation is one of the indices of Birrenkott et al., A robust fusion model for
    estimating respiratory rate, IEEE Trans. Biomed. Eng. 2018; used for pulse and ECG too. Skin
    conductance: 0.05 to 60 µS and at most 10 µS/s, Kleckner et al. 2018, IEEE Trans. Biomed. Eng.
    65(7):1460, doi:10.1109/TBME.2017.2758643. EMG and EEG: interference of the mains, Abser et al.
    2011, CMBES Proc. 34. `WindowReport.beat_quality` has an index with published thresholds.
    """
    rows = np.flatnonzero(~(quality["usable"] | quality["missing"] | quality["gaps"]))
    share = len(rows) / max(1, int((~quality["missing"]).sum()))
    if share < 0.2:
        return
    grade = "warning" if share >= 0.5 else "note"
    reason = LOW_QUALITY.get(signal.modality, "flat or off the axis")
    message = f"{signal.count(rows)} are of low quality: {reason}."
    advice = "Look at some of them; drop them, or compare scores with and without them."
    yield signal.finding(grade, "quality", message, advice, rows, usable=1 - share)


def leave_out_explained(findings: list[Finding]) -> list[Finding]:
    """Return findings about one signal without those of windows that others are about, too.

    A sensor without contact has flat windows that are off the axis: they are not also listed as
    clipped and as of low quality.
    """
    causes: set[int] = set()
    for finding in findings:
        if finding.kind in ("flat", "range") and finding.grade != "note":
            causes.update(finding.rows)
    return [
        finding
        for finding in findings
        if finding.kind not in ("clipped", "quality")
        or len(causes.intersection(finding.rows)) < EXPLAINED * len(finding.rows)
    ]
