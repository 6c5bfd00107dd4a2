"""Events: intervals of recordings with labels or ratings, and windows at them."""

import warnings
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import Array
from .._validation.parameters import check_number, check_option, is_number
from ..recordings.recording import Recording
from .event_tables import TIMES, check_columns
from .intervals import (
    SubjectSignals,
    check_rates,
    cut_intervals,
    first_samples,
    length_of,
    list_intervals,
    read_signals,
)

EARLY = 40  # minutes taken as seconds end in the first 60th of a recording
WINDOW_COLUMNS = ("event", "start_time", "reason")  # of windows, beside those of events


@dataclass(frozen=True)
class EventSettings:
    """The parameters of `cut_windows` for events, which describes them."""

    duration: float | None
    step: float | None
    label: str | None
    around: tuple[float, float] | None
    baseline: tuple[float, float] | None
    unusable: str

    def check(self) -> None:
        """Raise ValueError for the first invalid parameter."""
        check_option("unusable", self.unusable, ["drop", "missing", "raise"])
        for name, pair in (("around", self.around), ("baseline", self.baseline)):
            if pair is not None and not (
                len(pair) == 2 and all(map(is_number, pair)) and pair[0] < pair[1]
            ):
                raise ValueError(
                    f"{name}={pair!r}; expected seconds (start, stop) from the onset with start < "
                    "stop, such as (-2, 18)."
                )
        if self.around is None:
            check_number("duration", self.duration, above=0, unit="seconds")
        elif self.duration is not None or self.step is not None:
            raise ValueError(
                f"around={self.around!r} sets the length of windows; leave out duration and step."
            )
        if self.step is not None:
            check_number("step", self.step, above=0, unit="seconds", alternative="None")

    @property
    def seconds(self) -> float:
        """Length of a window."""
        if self.around is not None:
            return self.around[1] - self.around[0]
        assert self.duration is not None
        return self.duration


def cut_events(
    recordings: Mapping[Hashable, Any],
    sampling_rates: Mapping[str, float],
    events: pd.DataFrame | str,
    settings: EventSettings,
) -> Bunch:
    """Cut windows at events, see `cut_windows`."""
    settings.check()
    check_rates(sampling_rates, settings.seconds)
    events = _read_table(recordings, events)
    label_columns = [name for name in events.columns if name not in ("subject", *TIMES)]
    target = _target_column(label_columns, settings.label)
    signals = {
        subject: read_signals(subject, recording, sampling_rates)
        for subject, recording in recordings.items()
    }
    _warn_of_events(events, signals, sampling_rates)
    tables = [
        _subject_windows(subject, events[events["subject"] == subject], signals[subject],
                         sampling_rates, settings, label_columns)
        for subject in recordings
    ]  # fmt: skip
    intervals = pd.concat(tables, ignore_index=True)
    if target is not None:
        unlabelled = (intervals["reason"] == "") & intervals[target].isna()
        intervals.loc[unlabelled, "reason"] = "no label"
    if settings.unusable == "raise" and (intervals["reason"] != "").any():
        row = intervals[intervals["reason"] != ""].iloc[0]
        raise ValueError(
            f"The window of subject {row['subject']!r} at {row['start_time']:g} s, of event "
            f"{row['event']}, cannot be used: {row['reason']} "
            f"({(intervals['reason'] != '').sum()} of {len(intervals)} windows); pass "
            "unusable='drop' or 'missing'."
        )
    windows = cut_intervals(intervals, signals, sampling_rates, settings.seconds)
    kept = intervals[intervals["reason"] == ""].reset_index(drop=True)
    kept = kept.astype({name: events[name].dtype for name in label_columns})
    windows.dropped = intervals.loc[
        intervals["reason"] != "", ["subject", "event", "start_time", "reason"]
    ].reset_index(drop=True)
    for name, rate in sampling_rates.items():
        windows.data[name] = _corrected(windows.data[name], kept, signals, name, rate, settings)
    windows.events = kept[["subject", "event", "start_time", *label_columns]]
    if target is not None:
        is_ordered = getattr(kept[target].dtype, "ordered", False)
        windows.target = kept[target].array if is_ordered else kept[target].to_numpy()
    else:
        windows.target = None
    return windows


def _warn_of_events(
    events: pd.DataFrame,
    signals: Mapping[Hashable, SubjectSignals],
    sampling_rates: Mapping[str, float],
) -> None:
    """Warn of subjects without events, and of onsets that are probably not seconds."""
    without = [repr(subject) for subject in signals if subject not in set(events["subject"])]
    if without:
        warnings.warn(
            f"There are no events, and so no windows, of subjects {', '.join(without)}.",
            UserWarning,
            stacklevel=4,
        )
    lengths = {subject: length_of(each, sampling_rates) for subject, each in signals.items()}
    of_events = events["subject"].map(lengths).astype(np.float64)  # also of categories
    last, longest = events["onset"].max(), max(lengths.values(), default=0.0)
    if (events["onset"] >= of_events).mean() > 0.5 or (
        len(events) > len(signals) and last < longest / EARLY and longest > 60
    ):
        warnings.warn(
            f"The last event begins at {last:g} s, and the longest recording lasts {longest:g} s: "
            "onsets and durations have to be in seconds from the start of the recording. Convert "
            "milliseconds or minutes.",
            UserWarning,
            stacklevel=4,
        )


def _read_table(recordings: Mapping[Hashable, Any], events: pd.DataFrame | str) -> pd.DataFrame:
    """Return events with onsets in seconds from the start of each recording, by subject."""
    if isinstance(events, str):
        check_option("events", events, ["annotations"])
        return _read_annotations(recordings)
    check_columns(events, ["subject", "onset"], "events")
    if own := [name for name in WINDOW_COLUMNS if name in events.columns]:
        raise ValueError(
            f"events have the column {own[0]!r}, a name that the table of windows uses; rename or "
            "remove this column."
        )
    _check_subjects(recordings, events["subject"])
    events = events.copy()
    if "duration" not in events.columns:
        events["duration"] = np.nan
    if events["onset"].notna().all() and all(isinstance(at, datetime) for at in events["onset"]):
        starts = {
            subject: getattr(each, "start_time", None) for subject, each in recordings.items()
        }
        events["onset"] = [
            _seconds_from_start(onset, subject, starts[subject])
            for onset, subject in zip(events["onset"], events["subject"], strict=True)
        ]
    for name in TIMES:
        events[name] = _read_seconds(events[name], name)
    return events


def _read_annotations(recordings: Mapping[Hashable, Any]) -> pd.DataFrame:
    others = [
        repr(subject)
        for subject, recording in recordings.items()
        if not isinstance(recording, Recording)
    ]
    if others:
        raise ValueError(
            f"events='annotations' needs Recording objects, but the recordings of subjects "
            f"{', '.join(others)} are not; pass a table of events."
        )
    tables = [
        recording.annotations.assign(subject=subject) for subject, recording in recordings.items()
    ]
    return pd.concat(tables)


def _check_subjects(recordings: Mapping[Hashable, Any], subjects: pd.Series) -> None:
    unknown = sorted({repr(each) for each in subjects.tolist() if each not in recordings})
    if unknown:
        names = {str(name) for name in recordings}
        advice = "Rename the subjects of one of them, or drop these events."
        if all(str(each) in names for each in subjects):
            advice = "Convert one of them: text and numbers differ."
        raise ValueError(
            f"events have subjects without a recording: {', '.join(unknown)}; the subjects of the "
            f"recordings are {', '.join(map(repr, recordings))}. {advice}"
        )


def _read_seconds(cells: pd.Series, name: str) -> pd.Series:
    """Convert onsets, or durations, which may be missing, to numbers."""
    numbers = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    missing, finite = cells.isna().to_numpy(), np.isfinite(numbers.to_numpy())
    is_onset = name == "onset"
    bad = missing | ~finite if is_onset else ~(missing | finite)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"events, row {row}: {name} is {str(cells.iloc[row])!r}; expected seconds"
            f"{', or timestamps in all rows' if is_onset else ''}."
        )
    if not is_onset and (numbers < 0).any():
        row = int((numbers < 0).to_numpy().argmax())
        raise ValueError(
            f"events, row {row}: {name} is {numbers.iloc[row]:g}; expected seconds of 0 or more."
        )
    return numbers


def _seconds_from_start(onset: pd.Timestamp, subject: Hashable, start: Any) -> float:
    if start is None:
        raise ValueError(
            f"events have timestamps, but the recording of subject {subject!r} has no start time; "
            "pass onsets in seconds."
        )
    start = pd.Timestamp(start)
    if (start.tzinfo is None) != (onset.tzinfo is None):
        raise ValueError(
            f"The onset {onset} and the start of the recording of subject {subject!r}, {start}, "
            "have to be both with or both without a time zone."
        )
    return float((onset - start).total_seconds())


def _target_column(names: list[str], label: str | None) -> str | None:
    if label is None:
        if len(names) > 1:
            raise ValueError(
                f"events have {len(names)} columns of labels: {', '.join(map(repr, names))}; pass "
                "label= to choose the target."
            )
        return names[0] if names else None
    if label not in names:
        raise ValueError(
            f"label={label!r} is not a column of events; the columns of labels are "
            f"{', '.join(map(repr, names)) or 'none'}."
        )
    return label


def _subject_windows(
    subject: Hashable,
    events: pd.DataFrame,
    signals: SubjectSignals,
    sampling_rates: Mapping[str, float],
    settings: EventSettings,
    label_columns: list[str],
) -> pd.DataFrame:
    """Return a row for each window of a subject: times, labels, and why it cannot be used."""
    rows = list(_window_times(events, settings))
    start_times = np.array([start for _, start in rows], dtype=np.float64)
    table = list_intervals(subject, start_times, signals, sampling_rates, settings.seconds)
    if settings.unusable == "missing":
        table["reason"] = _beyond_all(table, signals, sampling_rates, settings.seconds)
    table["event"] = [events.index[at] for at, _ in rows]
    table["onset"] = [events["onset"].iloc[at] for at, _ in rows]
    for name in label_columns:
        table[name] = events[name].iloc[[at for at, _ in rows]].array
    reasons = [
        row["reason"]
        or _overlap(at, row["start_time"], events, settings, label_columns)
        or (_gap(row, signals, sampling_rates, settings) if settings.unusable != "missing" else "")
        for (at, _), row in zip(rows, table.to_dict("records"), strict=True)
    ]
    table["reason"] = np.array(reasons, dtype=object)
    short = [
        {"subject": subject, "event": events.index[at], "start_time": onset,
         "reason": "event shorter than a window"}
        for at, onset in enumerate(events["onset"])
        if at not in {position for position, _ in rows}
    ]  # fmt: skip
    return pd.concat([table, pd.DataFrame(short)]) if short else table


def _window_times(events: pd.DataFrame, settings: EventSettings) -> Iterator[tuple[int, float]]:
    """Yield the position of an event and the start of each of its windows."""
    for at, (onset, duration) in enumerate(zip(events["onset"], events["duration"], strict=True)):
        if settings.around is not None:
            yield at, onset + settings.around[0]
            continue
        step = settings.step or settings.seconds
        # NaN fits no window; 1e-6 absorbs the rounding errors of onsets and durations.
        n_windows = np.floor((duration - settings.seconds) / step + 1e-6) + 1
        for number in range(int(n_windows) if n_windows > 0 else 0):
            yield at, onset + number * step


def _beyond_all(
    table: pd.DataFrame,
    signals: SubjectSignals,
    sampling_rates: Mapping[str, float],
    seconds: float,
) -> Array:
    """Return reasons for windows that are in none of the signals."""
    inside = np.zeros(len(table), dtype=bool)
    for name, rate in sampling_rates.items():
        firsts = first_samples(table["start_time"].to_numpy(), rate)
        stops = firsts + round(seconds * rate)
        inside |= (firsts >= 0) & (stops <= signals[name].shape[-1])
    return np.where(inside, "", "outside the recording").astype(object)


def _overlap(
    at: int,
    start: float,
    events: pd.DataFrame,
    settings: EventSettings,
    label_columns: list[str],
) -> str:
    """Name the first other event with other labels that a window overlaps."""
    stop = start + settings.seconds
    onsets = events["onset"].to_numpy()
    ends = onsets + np.nan_to_num(events["duration"].to_numpy())
    overlapping = (onsets < stop - 1e-9) & ((ends > start + 1e-9) | (onsets >= start + 1e-9))
    overlapping[at] = False
    for other in np.flatnonzero(overlapping):
        own, others = events[label_columns].iloc[at], events[label_columns].iloc[other]
        if not own.equals(others):
            return f"overlaps event {events.index[other]}"
    return ""


def _gap(
    row: Mapping[Hashable, Any],
    signals: SubjectSignals,
    sampling_rates: Mapping[str, float],
    settings: EventSettings,
) -> str:
    """Name the first signal with a gap in a window, or in its baseline."""
    for name, rate in sampling_rates.items():
        window = _cut(signals[name], row["start_time"], settings.seconds, rate)
        if window is None or np.isnan(window).any():
            return f"gap in {name!r}"
        if settings.baseline is not None:
            before = _cut_baseline(signals[name], row["onset"], rate, settings.baseline)
            if before is None or np.isnan(before).any():
                return f"gap in the baseline of {name!r}"
    return ""


def _cut(signal: Array, start: float, seconds: float, rate: float) -> Array | None:
    """Return some seconds of a signal; None if they reach beyond it."""
    first = int(first_samples(np.array([start]), rate)[0])
    stop = first + round(seconds * rate)
    return signal[..., first:stop] if 0 <= first < stop <= signal.shape[-1] else None


def _cut_baseline(
    signal: Array, onset: float, rate: float, baseline: tuple[float, float]
) -> Array | None:
    return _cut(signal, onset + baseline[0], baseline[1] - baseline[0], rate)


def _corrected(
    cells: pd.Series,
    table: pd.DataFrame,
    signals: Mapping[Hashable, SubjectSignals],
    name: str,
    rate: float,
    settings: EventSettings,
) -> pd.Series:
    """Subtract baselines; replace windows with gaps by None if they are kept as missing."""
    if settings.baseline is None and settings.unusable != "missing":
        return cells
    corrected = []
    for row in table.to_dict("records"):
        signal = signals[row["subject"]][name]
        window = _cut(signal, row["start_time"], settings.seconds, rate)
        if window is not None and settings.baseline is not None:
            before = _cut_baseline(signal, row["onset"], rate, settings.baseline)
            window = None if before is None else window - before.mean(axis=-1, keepdims=True)
        corrected.append(None if window is None or np.isnan(window).any() else window)
    return pd.Series(corrected, dtype=object)
