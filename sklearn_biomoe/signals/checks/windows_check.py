"""The entry of all checks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..._typing import Array
from ..._validation.parameters import check_number
from ..._validation.subjects import check_length, check_subjects, column_names, name_some
from ..._validation.targets import check_not_missing
from ..containers import missing_windows
from ..modalities import MODALITIES, find_modality
from ..windows import NUMBER_AT_END, read_windows
from .findings import GRADES, Finding, MeasuredSignal
from .measures import measure_windows
from .rhythms import check_kind, check_rate, compare_signals
from .sensor_faults import (
    check_quality,
    check_range,
    check_sensor,
    leave_out_explained,
    score_quality,
)
from .study_design import check_design, check_label_in_samples
from .units import check_units
from .window_report import WindowReport


def check_windows(
    X: Any,
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    *,
    sampling_rates: float | Mapping[str, Any],
    modalities: str | Mapping[str, str] | None = None,
    start: ArrayLike | None = None,
) -> WindowReport:
    """Check that windows are what they are said to be, before anything is computed from them.

    Compares units, rhythms, sampling rates and levels with physiology, and looks for sensor faults,
    labels among the samples, copies, and designs in which time predicts the label. Nothing is
    changed.

    Parameters
    ----------
    X : DataFrame, dict of str to windows, or windows
        Windows of several signals: a frame with a column of windows for each signal, or with
        numbered columns of samples (eda_0, eda_1, ...), or a dict. Other columns are ignored. Or
        the windows of one signal, in any form that `BiosignalImageTransformer` takes.
    y : array-like of shape (n_windows,), default=None
        Labels.
    groups : array-like of shape (n_windows,), default=None
        Subjects.
    sampling_rates : float, dict of str to float, or dict of str to (str, float)
        In Hz: of a single signal; or by column, as in `make_multimodal_embedder`, also as pairs
        ("eda", 4) of modality and rate.
    modalities : str or dict of str to str, default=None
        Of a single signal; or by column, if it is not named like its modality.
    start : array-like of shape (n_windows,), default=None
        Start of each window, in seconds of its subject's session.

    Returns
    -------
    report : WindowReport
        Prints as text and renders in notebooks.

    Raises
    ------
    ValueError
        If a column is missing, a modality unknown, a sampling rate not positive, or y, groups or
        start differ from X in length or have missing values. Windows that cannot be read are a
        finding.

    See Also
    --------
    sklearn_biomoe.evaluation.run_study : Runs these checks with ``check=True``.

    Examples
    --------
    >>> from sklearn_biomoe import check_windows
    >>> from sklearn_biomoe.datasets import make_biosignal_windows
    >>> windows = make_biosignal_windows(6, 4, modalities=["eda"], random_state=0)
    >>> siemens = {"eda": [window * 1e-6 for window in windows.data["eda"]]}
    >>> report = check_windows(siemens, windows.target, windows.groups, sampling_rates={"eda": 4})
    >>> print(report.findings[0].message)
    The median of 'eda' is 3.64e-06: in S, it would be 3.64 µS.
    >>> report.findings[0].advice
    'Pass µS: multiply it by 1e6, if it is in S.'
    """
    columns = dict(_read_columns(X, sampling_rates, modalities))
    n_windows = _count_windows(columns)
    labels = None if y is None else check_length("y", y, n_windows)
    subjects = None if groups is None else check_subjects(groups, n_windows)
    starts = None if start is None else check_length("start", start, n_windows).astype(np.float64)
    for name, given in (("y", labels), ("start", starts)):
        if given is not None:
            check_not_missing(name, given)
    findings: list[Finding] = []
    signals, qualities = [], []
    for name, (modality, rate, windows) in columns.items():
        try:
            signal = _measure(name, modality, rate, windows, subjects)
        except ValueError as error:
            message = str(error)
            findings.append(
                Finding("error", "form", name, modality, None, message, "No check was possible.")
            )
            continue
        signals.append(signal)
        qualities.append(score_quality(signal))
        own = _check_signal(signal, labels)
        if not _has_error(own, signal):
            own += check_quality(signal, qualities[-1])
        findings += leave_out_explained(own)
    findings = _suggest_exchange(findings)
    if not any(each.kind in ("rate", "kind") and each.grade != "note" for each in findings):
        findings += compare_signals([each for each in signals if not _has_error(findings, each)])
    seconds = _window_lengths(signals, n_windows)
    findings += check_design(labels, subjects, starts, seconds)
    findings.sort(key=lambda finding: GRADES.index(finding.grade))
    return WindowReport(
        findings=tuple(findings),
        signals=tuple(signals),
        qualities=tuple(qualities),
        n_windows=n_windows,
        checked=tuple(_list_checks(columns, labels, subjects, starts)),
    )


def _suggest_exchange(findings: list[Finding]) -> list[Finding]:
    """Return findings about rates with the advice that the signal may be another one.

    If two signals are exchanged, one is of another kind, and the other has no rhythm, or one that
    seems to be too slow or too fast.
    """
    others = [each.signal for each in findings if each.kind == "kind" and each.grade == "error"]
    advice = "The rate may be right if the signal is exchanged with {!r}, which is of another kind."
    return [
        replace(finding, advice=f"{finding.advice} {advice.format(others[0])}")
        if finding.kind == "rate" and others
        else finding
        for finding in findings
    ]


Column = tuple[str, float, Any]  # modality, sampling rate in Hz, windows


def _read_columns(X: Any, sampling_rates: Any, modalities: Any) -> Iterator[tuple[str, Column]]:
    if not isinstance(sampling_rates, Mapping):
        modality = "generic" if modalities is None else modalities
        if not isinstance(modality, str):
            raise ValueError(
                f"modalities={modalities!r} with a single sampling rate; expected the name of one "
                "modality, or sampling rates by column."
            )
        check_number("sampling_rates", sampling_rates, above=0, unit="Hz")
        yield find_modality(modality), (find_modality(modality), float(sampling_rates), X)
        return
    if not sampling_rates:
        raise ValueError("sampling_rates is empty; name a column and its sampling rate in Hz.")
    named = {} if modalities is None else modalities
    if not isinstance(named, Mapping):
        raise ValueError(
            f"modalities={modalities!r}; expected a dict of columns to modalities, since "
            "sampling_rates is by column."
        )
    for column, value in sampling_rates.items():
        modality, rate = value if isinstance(value, tuple) else (named.get(column, column), value)
        check_number(f"sampling_rates[{column!r}]", rate, above=0, unit="Hz")
        yield column, (find_modality(modality), float(rate), _select(X, column))


def _select(X: Any, column: str) -> Any:
    """Return the windows of one signal: of its column, or of its numbered columns of samples."""
    names = list(X) if isinstance(X, Mapping) else column_names(X) if hasattr(X, "columns") else []
    if column in names:
        return X[column]
    numbered = [
        name
        for name in names
        if isinstance(name, str) and name != column and NUMBER_AT_END.sub("", name) == column
    ]
    if numbered and isinstance(X, pd.DataFrame):
        return X[numbered]
    if not names:
        raise ValueError(
            f"X is a {type(X).__name__} without columns, but sampling_rates is by column; pass a "
            "DataFrame, a dict, or a single sampling rate."
        )
    raise ValueError(f"X has no column {column!r}; there are {name_some(names)}.")


def _count_windows(columns: Mapping[str, Column]) -> int:
    counts = {name: len(missing_windows(windows)) for name, (_, _, windows) in columns.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"Signals differ in their number of windows: {counts}.")
    return next(iter(counts.values()))


def _measure(name: str, modality: str, rate: float, X: Any, groups: Array | None) -> MeasuredSignal:
    windows = read_windows(X, modality=name, allow_nan=True)
    if windows.missing.all():
        raise ValueError(f"All {len(windows)} windows of {name!r} are missing.")
    measures = measure_windows(windows, modality, rate)
    subjects = np.zeros(len(windows), dtype=int) if groups is None else groups
    measures["subject"] = subjects[measures["row"].to_numpy()]
    return MeasuredSignal(name, modality, rate, windows, measures, subjects)


def _check_signal(signal: MeasuredSignal, y: Array | None) -> list[Finding]:
    """Return findings about one signal, leaving out those that another one explains."""
    findings = list(check_sensor(signal))
    if y is not None:
        findings += check_label_in_samples(signal, y)
    if any(finding.kind == "flat" and finding.grade == "error" for finding in findings):
        return findings
    kind = list(check_kind(signal))
    if kind:
        return findings + kind
    units = list(check_units(signal))
    findings += [*units, *check_rate(signal)]
    if not any(finding.grade == "error" for finding in units):
        findings += check_range(signal)
    return findings


def _has_error(findings: list[Finding], signal: MeasuredSignal) -> bool:
    """Return whether a signal has an error or no rhythm, which explain its low quality."""
    own = [finding for finding in findings if finding.signal == signal.name]
    return any(finding.grade == "error" or finding.kind in ("kind", "rate") for finding in own)


def _window_lengths(signals: list[MeasuredSignal], n_windows: int) -> Array:
    """Return the length of each window in seconds, of the first signal that has it."""
    seconds = pd.Series(np.nan, index=range(n_windows))
    for signal in signals:
        own = signal.measures.groupby("row")["seconds"].first()
        seconds = seconds.fillna(own)
    return seconds.fillna(0.0).to_numpy()


def _list_checks(
    columns: Mapping[str, Column], y: Array | None, groups: Array | None, start: Array | None
) -> Iterator[str]:
    for name, (modality, rate, _) in columns.items():
        unit = MODALITIES[modality].unit
        axis = f", the axis in {unit}" if unit else ""
        yield (
            f"{name} ({modality} at {rate:g} Hz): missing, gaps, flat, clipped and repeated "
            f"windows, unit{axis}, kind of signal, sampling rate by its rhythm, length, quality"
        )
    if len(columns) > 1:
        yield "signals against each other: lengths of windows, heart rates"
    if y is not None:
        yield "labels: number and shares of classes, labels among the samples"
    if groups is not None:
        yield "subjects: their number, copies of windows" + (", their classes" * (y is not None))
    if start is not None and groups is not None:
        yield "time: overlaps" + (", order of classes, time as a predictor" * (y is not None))
    skipped = {"y": y, "groups": groups, "start": start}
    missing = [name for name, value in skipped.items() if value is None]
    if missing:
        yield f"not checked, since {', '.join(missing)} not given: design of the study in full"
