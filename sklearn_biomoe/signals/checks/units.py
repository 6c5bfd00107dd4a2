"""Checks of units: skin conductance, saturation, breathing rate, ECG and EEG."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from .findings import Finding, MeasuredSignal, describe_subjects
from .sensor_faults import FLAT_RUN

MOST = 0.9  # share of subjects or windows that a finding about the whole signal needs
MOST_NEGATIVE, NEGATIVE_SHARE = 0.1, 0.2  # of samples of skin conductance, and of windows
MOST_MISSING = 0.5  # of the samples of a window that counts
CLEAR_SKEWNESS = 0.1
FEW_SUBJECTS = 3
MANY_SUBJECTS, MANY_SHARE = 8, 0.75  # 6 of 8 with the same sign
ECG_RANGE = (0.1, 10.0)  # mV, from the lowest to the highest sample
EEG_RANGE = (1.0, 500.0)  # µV, from the 1st to the 99th percentile

# Unit -> range of levels of skin conductance in it, and how to convert it.
CONDUCTANCE_UNITS = {
    "S": ((5e-9, 6e-5), "multiply it by 1e6", 1e6),
    "mS": ((6e-5, 0.05), "multiply it by 1000", 1e3),
    "nS": ((60.0, 6e4), "divide it by 1000", 1e-3),
}
RESISTANCE_UNITS = {
    "MΩ": ((1 / 60, 20.0), "take 1 / x", 1.0),
    "kΩ": ((20.0, 2e4), "take 1000 / x", 1e3),
    "Ω": ((2e4, 2e7), "take 1e6 / x", 1e6),
}


def check_units(signal: MeasuredSignal) -> Iterator[Finding]:
    """Yield findings about the unit of a signal: at most one about all of its windows."""
    checks = {
        "eda": _check_conductance,
        "spo2": _check_saturation,
        "resp_rate": _check_breathing_rate,
        "ecg": _check_ecg,
        "eeg": _check_eeg,
    }
    scaled = list(_check_scaling(signal))
    yield from scaled
    if signal.modality in checks and not any(finding.grade == "error" for finding in scaled):
        yield from checks[signal.modality](signal)


def _check_scaling(signal: MeasuredSignal) -> Iterator[Finding]:
    """Find windows that were scaled to 0..1 or to mean 0 and deviation 1, each or per subject."""
    measures = signal.measures[signal.measures["spread"] > 0]
    if len(measures) < 2:
        return
    by_subject = measures.groupby("subject")
    within = np.isclose(measures["lowest"], 0, atol=1e-6)
    within &= np.isclose(measures["highest"], 1, atol=1e-6)
    standard = np.isclose(measures["mean"], 0, atol=1e-4)
    standard &= np.isclose(measures["deviation"], 1, atol=1e-2)
    ranged = np.isclose(by_subject["lowest"].min(), 0, atol=1e-9)
    ranged &= np.isclose(by_subject["highest"].max(), 1, atol=1e-9)
    variances = measures["deviation"] ** 2 + measures["mean"] ** 2
    moments = np.isclose(by_subject["mean"].mean(), 0, atol=1e-3)
    moments &= np.isclose(variances.groupby(measures["subject"]).mean(), 1, atol=1e-2)
    found = {
        "from 0 to 1 in each window": within.mean() >= MOST,
        "to mean 0 and standard deviation 1 in each window": standard.mean() >= MOST,
        "from 0 to 1 in each subject": ranged.all(),
        "to mean 0 and standard deviation 1 in each subject": moments.all(),
    }
    scalings = [name for name, is_found in found.items() if is_found]
    if not scalings:
        return
    unit = {"eda": "µS", "spo2": "%", "resp_rate": "1/min"}.get(signal.modality)
    message = f"{signal.name!r} was scaled {scalings[0]}"
    if unit:
        message += f", but is drawn on an axis in {unit}: levels of windows are lost."
        advice = f"Pass the signal in {unit}, as recorded."
        yield signal.finding("error", "unit", message, advice)
    else:
        advice = "Pass the signal as recorded if amplitudes matter."
        yield signal.finding("note", "unit", f"{message}.", advice)


def _check_conductance(signal: MeasuredSignal) -> Iterator[Finding]:
    """Find skin conductance in S, mS, nS, and skin resistance.

    References
    ----------
    0.05 to 60 µS: Kleckner et al. 2018, IEEE Trans. Biomed. Eng. 65(7):1460,
    doi:10.1109/TBME.2017.2758643. Responses rise in 1 to 3 s and fall in 3 to 15 s, so that
    conductance rises faster than it falls, and resistance falls faster than it rises: Dawson,
    Schell and Filion 2017, The electrodermal system, in Handbook of Psychophysiology, 4th ed.
    """
    has_contact = (signal.measures["nan"] <= MOST_MISSING) & (
        signal.measures["constant"] < FLAT_RUN
    )
    levels = signal.by_subject("median", has_contact)
    negative = signal.measures["negative"] > MOST_NEGATIVE
    if negative.mean() > NEGATIVE_SHARE:
        rows = signal.rows(negative)
        message = f"{signal.count(rows)} have negative values, which conductance cannot have."
        advice = (
            "Pass skin conductance in µS, not filtered, not standardised, and without its level "
            "removed; or another modality."
        )
        yield signal.finding("error", "unit", message, advice, rows)
        return
    units = _conductance_unit(signal, levels[levels > 0])
    for unit, subjects in units.groupby(units).groups.items():
        yield from _describe_conductance(signal, str(unit), levels[subjects], len(levels))


def _conductance_unit(signal: MeasuredSignal, levels: pd.Series) -> pd.Series:
    """Return the unit of each subject's level."""
    units = pd.Series("µS", index=levels.index, dtype=object)
    skewness = signal.by_subject("skewness")[levels.index]
    is_resistance = _falls_faster(skewness)
    for unit, ((low, high), *_) in CONDUCTANCE_UNITS.items():
        units[(levels >= low) & (levels < high)] = unit
    units[levels >= CONDUCTANCE_UNITS["nS"][0][1]] = "counts"
    for unit, ((low, high), *_) in RESISTANCE_UNITS.items():
        if is_resistance:
            units[(levels >= low) & (levels < high)] = unit
    return units


def _falls_faster(skewness: pd.Series) -> bool:
    """Return whether a signal falls faster than it rises, as resistance does."""
    if len(skewness) == 0:
        return False
    if len(skewness) >= MANY_SUBJECTS and (skewness < 0).mean() >= MANY_SHARE:
        return True
    needed = CLEAR_SKEWNESS if len(skewness) >= FEW_SUBJECTS else 2 * CLEAR_SKEWNESS
    return bool(skewness.median() < -needed)


def _describe_conductance(
    signal: MeasuredSignal, unit: str, levels: pd.Series, n_subjects: int
) -> Iterator[Finding]:
    everyone = len(levels) >= MOST * n_subjects
    if unit == "µS" or (unit == "mS" and not everyone):  # a few near 0 have lost contact
        return
    rows = signal.rows(signal.measures["subject"].isin(levels.index))
    level = float(levels.median())
    who = "" if everyone else f" of {describe_subjects(levels.index)}"
    shown = f"The median of {signal.name!r}{who} is {level:.3g}"
    grade = "error" if everyone else "warning"
    if unit == "counts":
        message = f"{shown}, beyond 60 µS in any unit: probably raw counts of a converter."
        advice = "Convert it to µS by the transfer function of the device."
        yield signal.finding(grade, "unit", message, advice, rows, median=level)
        return
    kinds = {**CONDUCTANCE_UNITS, **RESISTANCE_UNITS}
    _, advice, factor = kinds[unit]
    if unit in RESISTANCE_UNITS:
        skewness = float(signal.by_subject("skewness")[levels.index].median())
        if unit == "MΩ" and skewness > -CLEAR_SKEWNESS:
            grade = "warning"
        microsiemens = factor / level
        message = (
            f"{shown}, and it falls faster than it rises, as skin resistance does: in {unit}, it "
            f"would be {microsiemens:.3g} µS."
        )
        advice = f"Pass conductance in µS: {advice}, if it is resistance in {unit}."
    else:
        microsiemens = level * factor
        message = f"{shown}: in {unit}, it would be {microsiemens:.3g} µS."
        advice = f"Pass µS: {advice}, if it is in {unit}."
        if unit == "mS":
            message = f"{message[:-1]}; or the electrodes had no contact."
        if unit == "nS":
            advice += f" If it is resistance in kΩ ({1000 / level:.3g} µS), take 1000 / x."
    yield signal.finding(
        grade, "unit", message, advice, rows, unit=unit, factor=factor, median=level,
        microsiemens=microsiemens,
    )  # fmt: skip


def _check_saturation(signal: MeasuredSignal) -> Iterator[Finding]:
    """Find saturation as a fraction, and values that are not a saturation.

    References
    ----------
    Manufacturers of pulse oximeters specify accuracy from 70 to 100 % (under ISO 80601-2-61), and
    not below.
    """
    level = float(signal.by_subject("median").median())
    if 50 <= level <= 100.5:
        return
    message = f"The median of {signal.name!r} is {level:.3g}"
    if 0.5 <= level <= 1.005:
        yield signal.finding(
            "error", "unit", f"{message}: a saturation as a fraction.",
            "Multiply it by 100: it is drawn in percent.", factor=100.0, median=level,
        )  # fmt: skip
        return
    yield signal.finding(
        "error", "unit", f"{message}, which is not a saturation in percent.",
        "Pass the saturation from 0 to 100, not the optical signals of the sensor.", median=level,
    )  # fmt: skip


def _check_breathing_rate(signal: MeasuredSignal) -> Iterator[Finding]:
    """Find breathing rates in Hz, and values that are not a breathing rate (4 to 60 1/min)."""
    level = float(signal.by_subject("median").median())
    if 4 <= level <= 60:
        return
    message = f"The median of {signal.name!r} is {level:.3g}"
    if 4 / 60 <= level <= 1:
        yield signal.finding(
            "error", "unit", f"{message}: in Hz, it would be {60 * level:.3g} breaths per minute.",
            "Multiply it by 60.", factor=60.0, median=level,
        )  # fmt: skip
        return
    advice = "Pass breaths per minute; a signal of breathing has the modality 'resp'."
    yield signal.finding(
        "error", "unit", f"{message}, which is not a number of breaths per minute.", advice,
        median=level,
    )  # fmt: skip


def _check_ecg(signal: MeasuredSignal) -> Iterator[Finding]:
    """Find ECG that is not in mV.

    References
    ----------
    The MIT-BIH Arrhythmia Database was digitised over a range of 10 mV: Moody and Mark 2001, IEEE
    Eng. Med. Biol. 20(3):45. The lower limit is our choice.
    """
    size = float((signal.measures["highest"] - signal.measures["lowest"]).median())
    low, high = ECG_RANGE
    is_counts = bool(signal.measures["integer"].mean() >= MOST)
    in_unit = {"V": (1e3, "multiply it by 1000"), "µV": (1e-3, "divide it by 1000")}
    yield from _check_size(signal, size, "mV", (low, high), in_unit, is_counts)


def _check_eeg(signal: MeasuredSignal) -> Iterator[Finding]:
    """Find EEG that is not in µV.

    References
    ----------
    Scalp EEG has 10 to 100 µV, from peak to peak; artefacts are larger. The limits are our choice.
    """
    size = float(signal.measures["spread"].median())
    is_counts = bool(signal.measures["integer"].mean() >= MOST)
    in_unit = {"V": (1e6, "multiply it by 1e6"), "mV": (1e3, "multiply it by 1000")}
    yield from _check_size(signal, size, "µV", EEG_RANGE, in_unit, is_counts)


def _check_size(
    signal: MeasuredSignal, size: float, unit: str, limits: tuple[float, float],
    in_unit: dict[str, tuple[float, str]], is_counts: bool,
) -> Iterator[Finding]:  # fmt: skip
    """Yield a note: images of these modalities do not depend on the unit by default."""
    low, high = limits
    if size == 0 or low <= size <= high:
        return
    message = f"{signal.name!r} spans {size:.3g} within a window, not {low:g} to {high:g} {unit}"
    advice = "Images do not depend on the unit, unless power_range is fixed or learnt."
    for other, (factor, how) in in_unit.items():
        if low <= size * factor <= high and not is_counts:
            message += f": in {other}, it would be {size * factor:.3g} {unit}."
            advice = f"For {unit}, {how}. {advice}"
            yield signal.finding(
                "note", "unit", message, advice, unit=other, factor=factor, span=size
            )
            return
    what = "raw counts of a converter" if is_counts or size > high else "another unit"
    yield signal.finding("note", "unit", f"{message}: probably {what}.", advice, span=size)
