"""Events: intervals of recordings with labels or ratings, and windows at them."""

import re
import warnings
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import Array
from .._validation.parameters import check_number, check_option, is_number
from ..recordings.recording import Recording
from ..recordings.text_dialects import GROUPED, read_cells
from .intervals import (
    SubjectSignals,
    check_rates,
    cut_intervals,
    first_samples,
    length_of,
    list_intervals,
    read_signals,
)

PLAIN_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")  # not "007" and not "1E3", which are names
TIMES = ("onset", "duration")
EARLY = 40  # minutes taken as seconds end in the first 60th of a recording
COMMA = re.compile(r"[+-]?\d*,\d+")
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


def read_events(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> pd.DataFrame:
    r"""Read a table of events.

    All cells are text, and only an empty cell is missing: a class "None" or "NA" stays a class, and
    the subjects "007" and "07" stay different. Onsets, durations, and columns whose cells are all
    plain decimal numbers, such as ratings, become numbers.

    Parameters
    ----------
    path : path
        A CSV or TSV file with a header.
    columns : dict of str to str, default=None
        Names in the file of the columns "subject", "onset" and "duration", if they differ.
    separator : str, default=None
        Between cells; None takes the tab, semicolon, bar or comma that the header has most of.
    decimal : {".", ","}, default=None
        Decimal mark; None finds it in the times. The encoding is found as well.

    Returns
    -------
    events : DataFrame
        Columns subject (text), onset, duration (seconds, NaN if missing; absent if the file has
        none) and all others. Onsets that are not numbers become timestamps.

    Raises
    ------
    ValueError
        If a column is missing, an onset or a duration is not a time, or a comma in a time may
        divide thousands. The message names the line.
    FileNotFoundError
        If the file does not exist.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "events.csv")
    >>> _ = path.write_text("subject,onset,duration,level,nrs\n007,20,8,None,0\n07,55,8,low,2\n")
    >>> read_events(path)
      subject  onset  duration level  nrs
    0     007     20         8  None    0
    1      07     55         8   low    2
    """
    path = Path(path)
    table = read_cells(path, separator)
    if len(table.columns) == 1:
        raise ValueError(
            f"{path}: there is one column, {table.columns[0]!r}; pass separator=, such as '/'."
        )
    named = {name: standard for standard, name in (columns or {}).items()}
    for standard in ("subject", "onset", "duration"):
        if standard in named.values() and standard in table.columns:
            raise ValueError(f"{path}: there is a column {standard!r} beside the one named for it.")
    _check_columns(table, [*named], path)
    events = table.rename(columns=named)
    _check_columns(events, ["subject", "onset"], path)
    times = [name for name in TIMES if name in events.columns]
    decimal = decimal or _find_decimal(events[times], path)
    for name in events.columns.difference(["subject"]):
        if name in TIMES:
            events[name] = _times(_with_points(events[name], decimal), name, path)
        else:
            events[name] = text_or_numbers(events[name], decimal)
    return events


def _find_decimal(times: pd.DataFrame, path: Path) -> str:
    """Return the decimal mark of times."""
    for name, cells in times.items():
        given = [(row, cell.strip()) for row, cell in enumerate(cells) if isinstance(cell, str)]
        commas = [(row, cell) for row, cell in given if COMMA.fullmatch(cell)]
        if commas and all(GROUPED.fullmatch(cell) for _, cell in commas):
            row, cell = commas[0]
            raise ValueError(
                f"{path}, line {row + 2}: {name} is {cell!r}, in which the comma may be a decimal "
                "mark or divide thousands; pass decimal=',', or remove commas from the file."
            )
        if commas:
            return ","
    return "."


def _with_points(cells: pd.Series, decimal: str) -> pd.Series:
    return cells.map(lambda cell: cell.replace(decimal, "."), na_action="ignore")


def _check_columns(table: pd.DataFrame, names: list[str], source: Any) -> None:
    for name in names:
        if name not in table.columns:
            raise ValueError(
                f"{source}: the column {name!r} is missing; the columns are "
                f"{', '.join(map(repr, table.columns))}."
            )


def text_or_numbers(cells: pd.Series, decimal: str = ".") -> pd.Series:
    """Convert text to numbers if all cells that are not missing are plain decimal numbers.

    Examples
    --------
    >>> text_or_numbers(pd.Series(["0", "3.5"])).tolist()
    [0.0, 3.5]
    >>> text_or_numbers(pd.Series(["007", "3"])).tolist()
    ['007', '3']
    """
    with_points = _with_points(cells, decimal)
    given = with_points.dropna()
    if len(given) and all(PLAIN_NUMBER.fullmatch(cell.strip()) for cell in given):
        return pd.to_numeric(with_points)
    return cells


def _times(cells: pd.Series, name: str, path: Path) -> pd.Series:
    """Convert cells to numbers, or onsets to timestamps."""
    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = cells.notna() & ~np.isfinite(numbers)
    if not wrong.any():
        return numbers
    if name == "onset" and wrong[cells.notna()].all():
        has_zone = cells.dropna().str.contains(r"(?:Z|[+-]\d\d:?\d\d)\s*$").all()
        times = pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=bool(has_zone))
        wrong = cells.notna() & times.isna()
        if not wrong.any():
            return times
    row = int(wrong.to_numpy().argmax())
    expected = "seconds, or ISO timestamps in all rows" if name == "onset" else "seconds"
    raise ValueError(f"{path}, line {row + 2}: {name} is {cells.iloc[row]!r}; expected {expected}.")


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
            recording.annotations.assign(subject=subject)
            for subject, recording in recordings.items()
        ]
        return pd.concat(tables)
    _check_columns(events, ["subject", "onset"], "events")
    if own := [name for name in WINDOW_COLUMNS if name in events.columns]:
        raise ValueError(
            f"events have the column {own[0]!r}, a name that the table of windows uses; rename or "
            "remove this column."
        )
    unknown = sorted({repr(each) for each in events["subject"].tolist() if each not in recordings})
    if unknown:
        names = {str(name) for name in recordings}
        advice = "Drop their events."
        if all(str(each) in names for each in events["subject"]):
            advice = "Convert one of them: text and numbers differ."
        raise ValueError(
            f"events have subjects without a recording: {', '.join(unknown)}; the subjects of the "
            f"recordings are {', '.join(map(repr, recordings))}. {advice}"
        )
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
        numbers = pd.to_numeric(events[name], errors="coerce").astype(np.float64)
        missing, finite = events[name].isna().to_numpy(), np.isfinite(numbers.to_numpy())
        bad = missing | ~finite if name == "onset" else ~(missing | finite)
        if bad.any():
            row = int(bad.argmax())
            cell, timestamps = str(events[name].iloc[row]), ", or timestamps in all rows"
            raise ValueError(
                f"events, row {row}: {name} is {cell!r}; expected seconds"
                f"{timestamps if name == 'onset' else ''}."
            )
        events[name] = numbers
    if (events["duration"] < 0).any():
        row = int((events["duration"] < 0).to_numpy().argmax())
        raise ValueError(
            f"events, row {row}: duration is {events['duration'].iloc[row]:g}; expected seconds of "
            "0 or more."
        )
    return events


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
