"""Checks of sampling rates and of kinds of signals, by their own rhythms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ..._typing import Array
from .findings import Finding, MeasuredSignal
from .measures import fill_gaps, find_any_rhythm

CLEAR = 0.5  # strength of a rhythm
FEW = 0.05  # share of windows with a clear rhythm below which a signal has none
MANY = 5  # subjects whose median is compared with that of a population
MOST_WINDOWS = 200  # that are searched for rhythms of any frequency
LONGEST = 3600.0  # seconds of a window
OWN_SHARE = 0.2  # of the power in the band of the own rhythm
OTHER_SHARE = 0.5  # of the power in the band of another rhythm
QRS_OF_ECG, QRS_OF_PULSE = 0.3, 0.1
SAME_RATE = 1.25  # ratio of heart rates that two signals agree in


@dataclass(frozen=True)
class Rhythm:
    """What is known about a rhythm, in Hz."""

    name: str
    usual: float
    of_group: tuple[float, float]  # medians of several people at rest or at desk work
    of_person: tuple[float, float]


PULSE = Rhythm("pulse", 1.2, (0.75, 2.0), (40 / 60, 180 / 60))
BREATHING = Rhythm("breathing", 0.25, (10 / 60, 25 / 60), (5 / 60, 40 / 60))
RHYTHMS = {"bvp": PULSE, "ppg": PULSE, "ecg": PULSE, "resp": BREATHING}
# Seconds: two beats at 40 per minute, two breaths at 12 per minute, and the rise and half of the
# fall of a skin conductance response.
SHORTEST = {"eda": 10.0, "bvp": 3.0, "ppg": 3.0, "ecg": 3.0, "resp": 10.0, "spo2": 10.0}


def check_kind(signal: MeasuredSignal) -> Iterator[Finding]:
    """Yield at most one finding: that a signal is of another kind than its modality.

    References
    ----------
    Sympathetic activity in skin conductance is below 0.25 Hz at rest and below 0.37 Hz in exercise,
    a pulse above: Posada-Quintero et al. 2018, PMC5983430. Power of QRS complexes:
    Zhao and Zhang 2018, Front. Physiol. 9:727, doi:10.3389/fphys.2018.00727. The thresholds are our
    choice.
    """
    counters = signal.measures["counter"]
    if counters.mean() > 0.5:
        rows = signal.rows(counters)
        message = f"{signal.count(rows)} increase by equal steps: a time or a counter."
        yield signal.finding("error", "kind", message, "Pass the column of the signal.", rows)
        return
    found = _other_kind(signal)
    if found is None:
        return
    what, rate = found
    message = f"{signal.name!r} is said to be {signal.modality!r}, but looks like {what}."
    advice = (
        f"Check which column it is, and its sampling rate of {signal.sampling_rate:g} Hz; pass the "
        "modality that it is."
    )
    yield signal.finding("error", "kind", message, advice, frequency=rate)


def _other_kind(signal: MeasuredSignal) -> tuple[str, float] | None:
    """Return what the signal looks like instead, and the frequency of its rhythm in Hz."""
    middle = signal.measures.select_dtypes("number").median()
    pulse, breathing = (_clear_share(signal, name) for name in ("pulse", "breathing"))
    beats = f"a pulse of {60 * middle['pulse']:.0f} beats per minute"
    breaths = f"breathing of {60 * middle['breathing']:.0f} breaths per minute"
    modality = signal.modality
    has_pulse = pulse >= 0.5 and middle["pulse_share"] >= OTHER_SHARE
    has_breathing = breathing >= 0.5 and middle["breathing_share"] >= OTHER_SHARE
    if modality in ("eda", "spo2", "resp"):
        if has_pulse and 0.6 <= middle["pulse"] <= 3.5:
            return beats, middle["pulse"]
        if modality == "eda" and has_breathing and _is_saturated(signal) is False:
            return breaths, middle["breathing"]
    if modality == "eda" and _is_saturated(signal):
        return "an oxygen saturation in percent", 0.0
    if modality in ("bvp", "ppg", "ecg"):
        low, _ = PULSE.of_group  # below, it may be an overtone of breathing
        weak = middle["pulse_share"] < OWN_SHARE and (pulse < 0.5 or middle["pulse"] < low)
        if weak and has_breathing:
            return breaths, middle["breathing"]
    beating = signal.measures[signal.measures["pulse_strength"] >= CLEAR]
    qrs_share = beating["qrs_share"].median()
    if modality in ("bvp", "ppg") and pulse >= 0.5 and qrs_share > QRS_OF_ECG:
        return "an ECG, with most power in that of QRS complexes", middle["pulse"]
    if (
        modality == "ecg"
        and middle["qrs_share"] < QRS_OF_PULSE
        and middle["pulse_share"] >= OTHER_SHARE
    ):
        return "a pulse wave, without QRS complexes", middle["pulse"]
    return None


def _is_saturated(signal: MeasuredSignal) -> bool:
    """Return whether most values are from 85 to 100 and change by a few only."""
    measures = signal.measures
    is_percent = (measures["lowest"] > 60) & (measures["highest"] <= 100.5)
    return bool((is_percent & (measures["median"] > 85)).mean() > 0.9)


def _clear_share(signal: MeasuredSignal, name: str) -> float:
    return float((signal.measures[f"{name}_strength"] >= CLEAR).mean())


def check_rate(signal: MeasuredSignal) -> Iterator[Finding]:
    """Yield at most one finding about the sampling rate, or the length of windows.

    References
    ----------
    Adults: 40 to 109 beats per minute at rest, Quer et al. 2020, PLoS One 15(2):e0227709,
    doi:10.1371/journal.pone.0227709; 79 in daily life, with a standard deviation of 14.5, Avram et
    al. 2019, npj Digit. Med. 2:58, doi:10.1038/s41746-019-0134-9; 40 to 180 in wearable monitoring,
    Orphanidou et al. 2015, IEEE J. Biomed. Health Inform. 19(3):832,
    doi:10.1109/JBHI.2014.2338351. Adults at rest breathe 12 to 20 times per minute; more than 27
    predict cardiac arrest in wards: Cretikos et al. 2008, Med. J. Aust. 188(11):657. Skin
    conductance responses: Dawson, Schell and Filion 2017, The electrodermal system, in Handbook of
    Psychophysiology, 4th ed.
    """
    rhythm = RHYTHMS.get(signal.modality)
    found = [] if rhythm is None else list(_check_own_rhythm(signal, rhythm))
    length = list(_check_length(signal))
    no_rhythm = any(finding.kind == "kind" for finding in found)
    yield from length if no_rhythm and length else found or length


def _check_own_rhythm(signal: MeasuredSignal, rhythm: Rhythm) -> Iterator[Finding]:
    strength = signal.measures[f"{rhythm.name}_strength"]
    own = signal.by_subject(rhythm.name, strength >= CLEAR)
    if (strength >= CLEAR).mean() < FEW or own.empty:
        yield from _check_any_rhythm(signal, rhythm)
        return
    frequency = float(own.median())
    if _is_within(frequency, rhythm.of_group):
        return
    possible = len(own) < MANY and _is_within(frequency, rhythm.of_person)
    yield _rate_finding(signal, rhythm, frequency, "note" if possible else "warning")


def _is_within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _rate_finding(signal: MeasuredSignal, rhythm: Rhythm, frequency: float, grade: str) -> Finding:
    factor = frequency / rhythm.usual
    rate = signal.sampling_rate
    unit = "beats" if rhythm is PULSE else "breaths"
    low, high = rhythm.of_group
    message = (
        f"{signal.name!r} has a rhythm of {60 * frequency:,.3g} {unit} per minute at "
        f"sampling_rate={rate:g} Hz, where {60 * low:.0f} to {60 * high:.0f} are usual: the rate "
        f"is probably {_ratio(factor)}."
    )
    advice = (
        f"Check the sampling rate: {rate / factor:,.3g} Hz, or a common rate near it, would give "
        f"{60 * rhythm.usual:.0f} {unit} per minute."
    )
    if grade != "error":
        advice += " After exercise, in infants or in paced breathing it may be right."
    return signal.finding(
        grade, "rate", message, advice, frequency=frequency, factor=factor,
        sampling_rate=rate / factor,
    )  # fmt: skip


def _ratio(factor: float) -> str:
    """Return "about 2 times too high", rounding to one digit as the rhythm differs in people."""
    times = factor if factor > 1 else 1 / factor
    text = f"{max(2, float(f'{times:.1g}')):,.0f}" if times >= 1.4 else f"{times:.1f}"
    return f"about {text} times too {'high' if factor > 1 else 'low'}"


def _check_any_rhythm(signal: MeasuredSignal, rhythm: Rhythm) -> Iterator[Finding]:
    """Search for a rhythm of any frequency, in cycles per sample."""
    found = _any_rhythm(signal, differences=rhythm is PULSE)
    strong = found[found["strength"] >= CLEAR]
    if len(strong) >= 0.5 * len(found) > 0:
        frequency = float(strong["frequency"].median()) * signal.sampling_rate
        if not _is_within(frequency, rhythm.of_person):
            yield _rate_finding(signal, rhythm, frequency, "error")
            return
    share = float(signal.measures[f"{rhythm.name}_share"].median())
    low, high = rhythm.of_person
    what = f"{'a pulse' if rhythm is PULSE else 'breathing'} of {60 * low:.0f} to {60 * high:.0f}"
    message = (
        f"Hardly any window of {signal.name!r} has a regular rhythm, such as {what} per minute, at "
        f"sampling_rate={signal.sampling_rate:g} Hz."
    )
    advice = "Check the column, its modality, its sampling rate, and whether the sensor was worn."
    grade = "error" if share < OWN_SHARE else "warning"
    yield signal.finding(grade, "kind", message, advice, share_of_power=share)


def _any_rhythm(signal: MeasuredSignal, *, differences: bool) -> pd.DataFrame:
    present = signal.windows.present
    step = max(1, len(present) // MOST_WINDOWS)
    tables = []
    for _, values in present[::step].by_length():
        samples = fill_gaps(values[:, 0].astype(np.float64))
        frequency, strength = find_any_rhythm(samples, differences=differences)
        tables.append(pd.DataFrame({"frequency": frequency, "strength": strength}))
    return pd.concat(tables, ignore_index=True)


def _check_length(signal: MeasuredSignal) -> Iterator[Finding]:
    seconds = float(signal.measures["seconds"].median())
    samples = round(seconds * signal.sampling_rate)
    needed = SHORTEST.get(signal.modality, 0.0)
    if needed <= seconds <= LONGEST:
        return
    length = f"{seconds:.3g} s" if seconds < LONGEST else f"{seconds / 3600:.3g} h"
    message = (
        f"Windows of {signal.name!r} have {samples:,} samples, which last {length} at "
        f"sampling_rate={signal.sampling_rate:g} Hz"
    )
    if seconds > LONGEST or seconds < needed / 20:
        factor = 60 / seconds
        message += f"; if they are of about 60 s, the rate is {_ratio(factor)}."
        yield signal.finding(
            "error", "rate", message, "Check the sampling rate.", seconds=seconds, factor=factor
        )
        return
    message += f": less than the {needed:g} s in which {_EVENTS[signal.modality]}."
    advice = "Check the sampling rate, or cut longer windows."
    yield signal.finding("warning", "rate", message, advice, seconds=seconds)


_EVENTS = {
    "eda": "a skin conductance response rises and falls by half",
    "bvp": "there are two beats",
    "ppg": "there are two beats",
    "ecg": "there are two beats",
    "resp": "there are two breaths",
    "spo2": "a desaturation develops",
}


def compare_signals(signals: Sequence[MeasuredSignal]) -> Iterator[Finding]:
    """Yield findings about signals whose windows differ in length, or whose heart rates differ."""
    lengths = {each.name: float(each.measures["seconds"].median()) for each in signals}
    if lengths and max(lengths.values()) > 1.05 * min(lengths.values()):
        listed = ", ".join(f"{length:.4g} s of {name!r}" for name, length in lengths.items())
        rates = ", ".join(f"{each.sampling_rate:g} Hz of {each.name!r}" for each in signals)
        ratio = max(lengths.values()) / min(lengths.values())
        message = f"Windows of the same rows last {listed}: a rate may be {ratio:.3g} times wrong."
        advice = f"Check the sampling rates: {rates}."
        yield Finding("warning", "rate", None, None, None, message, advice, (), lengths)
        return
    beating = [each for each in signals if RHYTHMS.get(each.modality) is PULSE]
    for first, second in pairwise(beating):
        ratios = (_clear_beats(first) / _clear_beats(second)).dropna()
        ratio = float(ratios.median()) if len(ratios) >= 5 else 1.0
        if 1 / SAME_RATE < ratio < SAME_RATE:
            continue
        message = (
            f"The heart rate in {first.name!r} is {ratio:.3g} times that in {second.name!r}, in "
            f"{len(ratios)} windows: one of their sampling rates is wrong, or their rows differ."
        )
        rates = f"{first.sampling_rate:g} and {second.sampling_rate:g} Hz"
        yield Finding(
            "error", "rate", None, None, None, message, f"Check the sampling rates, {rates}.",
            tuple(ratios.index.tolist()), {"ratio": ratio},
        )  # fmt: skip


def _clear_beats(signal: MeasuredSignal) -> pd.Series:
    measures = signal.measures
    clear = measures[measures["pulse_strength"] >= CLEAR]
    return clear.groupby("row")["pulse"].median()


def quality_rhythm(signal: MeasuredSignal) -> Array | None:
    """Return the strength of the own rhythm of each row of measures; None if it has no rhythm."""
    rhythm = RHYTHMS.get(signal.modality)
    return None if rhythm is None else signal.measures[f"{rhythm.name}_strength"].to_numpy()
