"""Recordings cut into labelled windows."""

from collections.abc import Hashable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from .._typing import Array
from .._validation.parameters import check_option


def cut_windows(
    recordings: Mapping[Hashable, Mapping[str, ArrayLike]],
    sampling_rates: Mapping[str, float],
    *,
    duration: float,
    step: float | None = None,
    labels: Mapping[Hashable, ArrayLike] | None = None,
    label_rate: float = 1.0,
    mixed: str = "drop",
) -> Bunch:
    """Cut recordings of several subjects into windows, all modalities at the same instants.

    All signals of a recording, and its labels, begin at the same instant. Windows may begin there
    and every ``step`` seconds after it, and each of these instants either begins a window or is
    listed in ``dropped``: nothing goes unsaid. A window holds the same number of samples of a
    modality wherever it lies, and begins at the sample nearest to its instant.

    Parameters
    ----------
    recordings : dict of subject to dict (or DataFrame) of modality to array
        Signals of shape (n_times,) or (n_channels, n_times), the same modalities for every subject.
        NaN is passed on.
    sampling_rates : dict of modality to float
        In Hz. Modalities that are not in it are not cut.
    duration : float
        Length of a window in seconds.
    step : float, default=None
        Seconds from one window's start to the next. None takes ``duration``: no overlap.
    labels : dict of subject to array of shape (n_labels,), default=None
        Numbers, strings or booleans; NaN and None stand for stretches without label, as does the
        time after the last label.
    label_rate : float, default=1.0
        Labels per second: 1 for one each second, a sampling rate for one each sample.
    mixed : {"drop", "majority", "raise"}, default="drop"
        What becomes of windows with more than one label, where time without label counts as one:
        drop them; give them the label that lasts longest in them; or raise ValueError.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject`` and one per modality, whose cells are read-only views into the
            recordings, of shape (n_times,) or (n_channels, n_times).
        target : ndarray of shape (n_windows,) or None
            The labels, where given.
        groups : ndarray of shape (n_windows,)
            The subjects.
        start_times : ndarray of shape (n_windows,), float64
            Seconds from the recording's start.
        dropped : DataFrame
            Columns ``subject``, ``start_time`` and ``reason``: "past the end of 'eda'", "no label",
            "mixed labels", or for ``mixed="majority"`` "tied labels".
        sampling_rates : dict of str to float
            Hz per modality.

    Raises
    ------
    ValueError
        For times or rates that are not positive, a window shorter than one sample, a modality or
        labels that a subject lacks, labels that outlast the recording, mixed labels with
        ``mixed="raise"``, and where no window is left.

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
    step = duration if step is None else step
    _check_times(sampling_rates, duration=duration, step=step, label_rate=label_rate)
    signals = {
        subject: _read_recording(subject, recording, sampling_rates)
        for subject, recording in recordings.items()
    }
    instants = pd.concat(
        [
            _instants(subject, recording, sampling_rates, duration, step)
            for subject, recording in signals.items()
        ],
        ignore_index=True,
    )
    target = None
    if labels is not None:
        codes, classes = _encode(labels, signals, sampling_rates, label_rate)
        found = _label(instants, codes, len(classes), duration, label_rate, mixed)
        target = classes[found[(instants["reason"] == "").to_numpy()]]
    kept = instants["reason"] == ""
    if not kept.any():
        reasons = instants["reason"].value_counts().to_dict()
        raise ValueError(f"No window of {duration:g} s is left: {reasons}.")
    windows = instants[kept]
    return Bunch(
        data=_cut(windows, signals, sampling_rates, duration),
        target=target,
        groups=windows["subject"].to_numpy(copy=True),
        start_times=windows["start_time"].to_numpy(copy=True),
        dropped=instants[~kept].reset_index(drop=True),
        sampling_rates=dict(sampling_rates),
    )


def _check_times(sampling_rates: Mapping[str, float], **times: Any) -> None:
    rates = {f"sampling_rates[{name!r}]": rate for name, rate in sampling_rates.items()}
    for name, value in {**times, **rates}.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and 0 < value < np.inf):
            unit = "seconds" if name in ("duration", "step") else "Hz"
            raise ValueError(f"{name}={value!r}; expected a positive number in {unit}.")
    if not rates:
        raise ValueError("sampling_rates is empty; expected Hz per modality, such as {'eda': 4}.")
    for name, rate in sampling_rates.items():
        if round(times["duration"] * rate) < 1:
            raise ValueError(
                f"duration={times['duration']:g} s is shorter than a sample of {name!r} at "
                f"{rate:g} Hz; cut longer windows."
            )


def _read_recording(
    subject: Hashable, recording: Any, sampling_rates: Mapping[str, float]
) -> dict[str, Array]:
    """Return read-only views of a subject's signals."""
    if not hasattr(recording, "keys"):
        raise ValueError(
            f"The recording of {subject!r} is a {type(recording).__name__}; expected signals by "
            "modality, as in {'S1': {'eda': array}}."
        )
    signals = {}
    for name in sampling_rates:
        if name not in recording:
            raise ValueError(
                f"The recording of subject {subject!r} has no {name!r}, only "
                f"{sorted(recording.keys())}; leave {name!r} out of sampling_rates or drop the "
                "subject."
            )
        signal = np.asarray(recording[name]).view()
        if signal.ndim not in (1, 2) or signal.dtype.kind not in "fiub":
            raise ValueError(
                f"Signal {name!r} of subject {subject!r} has shape {signal.shape} and dtype "
                f"{signal.dtype}; expected numbers of shape (n_times,) or (n_channels, n_times)."
            )
        signal.flags.writeable = False
        signals[name] = signal
    return signals


def _instants(
    subject: Hashable,
    signals: dict[str, Array],
    sampling_rates: Mapping[str, float],
    duration: float,
    step: float,
) -> pd.DataFrame:
    """List where windows may begin, with a reason where a signal ends before the window does."""
    start_times = np.arange(0, max(_seconds(signals, sampling_rates), step / 2), step, dtype=float)
    reasons = np.full(len(start_times), "", dtype=object)
    for name, rate in sampling_rates.items():
        ends = _first_samples(start_times, rate) + round(duration * rate)
        outside = (ends > signals[name].shape[-1]) & (reasons == "")
        reasons[outside] = f"past the end of {name!r}"
    subjects = [subject] * len(start_times)
    return pd.DataFrame({"subject": subjects, "start_time": start_times, "reason": reasons})


def _seconds(signals: dict[str, Array], sampling_rates: Mapping[str, float]) -> float:
    """Length of the longest signal."""
    return max(signals[name].shape[-1] / rate for name, rate in sampling_rates.items())


def _first_samples(start_times: Array, rate: float) -> NDArray[np.int64]:
    # A hair is added so that a start half-way between samples never depends on rounding errors.
    return np.floor(start_times * rate + 0.5 + 1e-6).astype(np.int64)


def _encode(
    labels: Mapping[Hashable, ArrayLike],
    signals: dict[Hashable, dict[str, Array]],
    sampling_rates: Mapping[str, float],
    label_rate: float,
) -> tuple[dict[Hashable, NDArray[np.int64]], Array]:
    """Return each subject's labels as indices of the classes, -1 for none, and the classes."""
    series = []
    for subject, recording in signals.items():
        if subject not in labels:
            raise ValueError(f"Subject {subject!r} has no labels; expected an array for each.")
        given = labels[subject]
        # As an array, a list of strings would turn NaN into the string "nan".
        values = pd.Series(given if isinstance(given, list | tuple) else np.asarray(given))
        excess = len(values) / label_rate - _seconds(recording, sampling_rates)
        if excess * label_rate >= 1 + 1e-6:
            raise ValueError(
                f"Subject {subject!r} has {len(values)} labels, which at label_rate="
                f"{label_rate:g} last {excess:g} s longer than the longest signal; pass "
                "their rate in Hz, or cut them to the recording."
            )
        series.append(values)
    codes, classes = pd.factorize(pd.concat(series), sort=True)
    ends = np.cumsum([len(values) for values in series])
    return dict(zip(signals, np.split(codes, ends[:-1]), strict=True)), np.asarray(classes)


def _label(
    instants: pd.DataFrame,
    codes: dict[Hashable, NDArray[np.int64]],
    n_classes: int,
    duration: float,
    label_rate: float,
    mixed: str,
) -> NDArray[np.int64]:
    """Return each window's class, and write why into ``instants`` where it has none."""
    found = np.full(len(instants), -1)
    reasons = instants["reason"].to_numpy(dtype=object, copy=True)
    for subject, rows in instants.groupby("subject", sort=False).indices.items():
        starts = instants["start_time"].to_numpy()[rows]
        seconds = _seconds_per_class(codes[subject], n_classes, starts, duration, label_rate)
        found[rows] = seconds.argmax(axis=1)  # the last column is time without label
        longest = seconds.max(axis=1)
        why = np.full(len(rows), "", dtype=object)
        is_mixed = (seconds > 0).sum(axis=1) > 1
        if mixed == "majority":
            why[(seconds == longest[:, None]).sum(axis=1) > 1] = "tied labels"
        else:
            why[is_mixed] = "mixed labels"
        why[(found[rows] == n_classes) & (why == "")] = "no label"
        inside = reasons[rows] == ""
        if mixed == "raise" and (is_mixed & inside).any():
            raise ValueError(
                f"The window of subject {subject!r} that starts at "
                f"{starts[is_mixed & inside][0]:g} s has more than one label (time without label "
                f"counts as one), as have {(is_mixed & inside).sum()} of the subject's windows; "
                "pass mixed='drop' or mixed='majority'."
            )
        reasons[rows] = np.where(inside, why, reasons[rows])
    instants["reason"] = reasons
    return found


def _seconds_per_class(
    codes: NDArray[np.int64], n_classes: int, starts: Array, duration: float, label_rate: float
) -> Array:
    """Time that each label lasts in each window, (n_windows, n_classes + 1): the last is none."""
    edges = np.arange(len(codes) + 1) / label_rate
    seconds = np.empty((len(starts), n_classes + 1))
    for code in range(n_classes):
        until = np.append(0, np.cumsum(codes == code)) / label_rate
        seconds[:, code] = np.interp(starts + duration, edges, until) - np.interp(
            starts, edges, until
        )
    seconds[:, -1] = duration - seconds[:, :-1].sum(axis=1)
    return np.round(seconds, 6)


def _cut(
    windows: pd.DataFrame,
    signals: dict[Hashable, dict[str, Array]],
    sampling_rates: Mapping[str, float],
    duration: float,
) -> pd.DataFrame:
    columns: dict[str, Any] = {"subject": windows["subject"].to_numpy(copy=True)}
    for name, rate in sampling_rates.items():
        n_times = round(duration * rate)
        firsts = _first_samples(windows["start_time"].to_numpy(), rate)
        pairs = zip(windows["subject"], firsts, strict=True)
        cells = [signals[subject][name][..., i : i + n_times] for subject, i in pairs]
        columns[name] = pd.Series(cells, dtype=object)
    return pd.DataFrame(columns)
