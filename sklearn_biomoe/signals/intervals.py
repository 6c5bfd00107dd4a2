"""Intervals of recordings: which exist in all signals, and their windows."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._typing import Array, FloatArray, Rows
from .._validation.parameters import check_number
from ..recordings.recording import Recording
from .windows import fill_masked
from .windows_bunch import WindowsBunch

SubjectSignals = Mapping[str, Array]  # of one subject, by modality


def sampling_rates_of(
    recordings: Mapping[Hashable, Any], sampling_rates: Mapping[str, float] | None
) -> dict[str, float]:
    """Return Hz by modality, as given or those of `Recording` objects; raise if they differ."""
    found: dict[str, float] = dict(sampling_rates or {})
    for subject, recording in recordings.items():
        if not isinstance(recording, Recording):
            if sampling_rates is None:
                raise ValueError(
                    f"The recording of subject {subject!r} is a {type(recording).__name__}, which "
                    "has no sampling rates; pass sampling_rates, such as {'eda': 4}."
                )
            continue
        for name, channel in recording.channels.items():
            if name not in found:
                if sampling_rates is not None:
                    continue
                found[name] = channel.sampling_rate
            if found[name] != channel.sampling_rate:
                raise ValueError(
                    f"{name!r} of subject {subject!r} has {channel.sampling_rate:g} Hz; expected "
                    f"{found[name]:g} Hz, as for the others or as given. Read the recordings with "
                    "sampling_rate= or resample_to=."
                )
    return found


def check_rates(sampling_rates: Mapping[str, float], duration: float) -> None:
    """Raise ValueError if a rate or the duration is invalid, or a window has no sample."""
    check_number("duration", duration, above=0, unit="seconds")
    if not sampling_rates:
        raise ValueError("sampling_rates is empty; expected Hz by modality, such as {'eda': 4}.")
    for name, rate in sampling_rates.items():
        check_number(f"sampling_rates[{name!r}]", rate, above=0, unit="Hz")
        if round(duration * rate) < 1:
            raise ValueError(
                f"duration={duration:g} s is shorter than a sample of {name!r} at {rate:g} Hz; cut "
                "longer windows."
            )


def read_signals(
    subject: Hashable, recording: Any, sampling_rates: Mapping[str, float]
) -> dict[str, Array]:
    """Return read-only views of the signals of a subject."""
    if isinstance(recording, Recording):
        recording = {name: channel.samples for name, channel in recording.channels.items()}
    if not hasattr(recording, "keys"):
        raise ValueError(
            f"The recording of {subject!r} is a {type(recording).__name__}; expected a Recording, "
            "or signals by modality, as in {'S1': {'eda': array}}."
        )
    signals = {}
    for name in sampling_rates:
        if name not in recording:
            raise ValueError(
                f"The recording of subject {subject!r} has no {name!r}, only "
                f"{sorted(recording.keys())}; remove {name!r} from sampling_rates or drop the "
                "subject."
            )
        signal = np.asarray(fill_masked(recording[name])).view()
        if signal.ndim not in (1, 2) or signal.dtype.kind not in "fiub":
            raise ValueError(
                f"Signal {name!r} of subject {subject!r} has shape {signal.shape} and dtype "
                f"{signal.dtype}; expected numbers of shape (n_times,) or (n_channels, n_times)."
            )
        signal.flags.writeable = False
        signals[name] = signal
    return signals


def list_intervals(
    subject: Hashable,
    start_times: FloatArray,
    signals: SubjectSignals,
    sampling_rates: Mapping[str, float],
    duration: float,
) -> pd.DataFrame:
    """Return a row for each start time; ``reason`` is "" if it is in all signals."""
    reasons = np.full(len(start_times), "", dtype=object)
    for name, rate in sampling_rates.items():
        firsts = first_samples(start_times, rate)
        late = firsts + round(duration * rate) > signals[name].shape[-1]
        reasons[late & (reasons == "")] = f"past the end of {name!r}"
        reasons[(firsts < 0) & (reasons == "")] = "before the start"
    subjects = [subject] * len(start_times)
    return pd.DataFrame({"subject": subjects, "start_time": start_times, "reason": reasons})


def cut_intervals(
    intervals: pd.DataFrame,
    signals: Mapping[Hashable, SubjectSignals],
    sampling_rates: Mapping[str, float],
    duration: float,
) -> Bunch:
    """Cut the intervals whose ``reason`` is "", and list the others in ``dropped``."""
    kept = intervals["reason"] == ""
    if not kept.any():
        counts = [f"{n} {reason}" for reason, n in intervals["reason"].value_counts().items()]
        raise ValueError(f"All windows of {duration:g} s are dropped: {', '.join(counts)}.")
    subjects = intervals["subject"][kept].to_numpy(copy=True)
    start_times = intervals["start_time"][kept].to_numpy(copy=True)
    columns: dict[str, Any] = {"subject": subjects.copy()}
    for name, rate in sampling_rates.items():
        n_times = round(duration * rate)
        firsts = zip(subjects, first_samples(start_times, rate), strict=True)
        cells = [signals[subject][name][..., first : first + n_times] for subject, first in firsts]
        columns[name] = pd.Series(cells, dtype=object)
    dropped = intervals.loc[~kept, ["subject", "start_time", "reason"]]
    return WindowsBunch(
        data=pd.DataFrame(columns),
        target=None,
        groups=subjects,
        start_times=start_times,
        dropped=dropped.reset_index(drop=True),
        sampling_rates=dict(sampling_rates),
    )


def length_of(signals: SubjectSignals, sampling_rates: Mapping[str, float]) -> float:
    """Return the length of the longest signal in seconds."""
    return max(signals[name].shape[-1] / rate for name, rate in sampling_rates.items())


def first_samples(start_times: FloatArray, rate: float) -> Rows:
    """Return the nearest sample of each start time."""
    # 1e-6 makes starts halfway between two samples independent of rounding errors.
    return np.floor(start_times * rate + 0.5 + 1e-6).astype(np.int64)
