"""Simulated windows with an event at a known place, for checking explanations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.random import RandomState
from sklearn.utils import Bunch, check_random_state

from .._typing import FloatArray
from .._validation.parameters import check_option
from .simulated import bateman, make_biosignal_windows

_DURATION = 60.0  # seconds

# The signal with an event, its start and stop in seconds, and its lowest and highest frequency.
SignalWithEvent = tuple[FloatArray, float, float, float, float]


def make_event_windows(
    event: str,
    n_subjects: int = 8,
    n_windows_per_subject: int = 20,
    *,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Simulate windows of one signal, half of which contain an event at a known place.

    The windows are those of `make_biosignal_windows` without a class effect. The classes differ
    only by the event, which occurs at a random time, so that an explanation can be compared with
    the known place of the event.

    Parameters
    ----------
    event : {"response", "burst", "pause"}
        - "response": in ``eda``, one large skin conductance response, as high as the skin
          conductance level;
        - "burst": in ``bvp``, an oscillation of 6 s, like a tremor, at a random frequency from 2.5
          to 4.5 Hz;
        - "pause": in ``resp``, a pause of respiration of 12 s.
    n_subjects : int, default=8
    n_windows_per_subject : int, default=20
        Of 60 s; half of them contain the event.
    random_state : int, RandomState instance or None, default=None
        Pass an int for reproducible output.

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject`` and the modality, as from `make_biosignal_windows`.
        target : ndarray of shape (n_windows,), int
            1 for windows with the event, else 0.
        groups : ndarray of shape (n_windows,), int
            The subjects.
        modality : str
            The modality of the signal.
        sampling_rates : dict of str to float
            In Hz, by modality.
        events : DataFrame
            One row per window: ``start`` and ``stop`` in seconds, ``low`` and ``high`` in Hz. NaN
            in windows without the event; ``low`` and ``high`` are NaN except for "burst".

    Raises
    ------
    ValueError
        If the event is unknown, or as in `make_biosignal_windows`.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import make_event_windows
    >>> windows = make_event_windows("burst", 2, 4, random_state=0)
    >>> windows.data.shape, windows.target
    ((8, 2), array([1, 0, 0, 1, 1, 0, 0, 1]))
    >>> windows.events.loc[0].round(1).to_dict()
    {'start': 42.8, 'stop': 48.8, 'low': 3.4, 'high': 3.9}
    """
    check_option("event", event, list(_EVENTS))
    modality, add_event = _EVENTS[event]
    random = check_random_state(random_state)
    windows = make_biosignal_windows(
        n_subjects,
        n_windows_per_subject,
        modalities=[modality],
        duration=_DURATION,
        effect_size=0.0,
        random_state=random,
    )
    rate = windows.sampling_rates[modality]
    signals = windows.data[modality].tolist()
    places = np.full((len(signals), 4), np.nan)
    for row in np.flatnonzero(windows.target):
        times = np.arange(len(signals[row])) / rate
        signals[row], *places[row] = add_event(signals[row], times, random)
    windows.data[modality] = signals
    del windows["DESCR"]
    events = pd.DataFrame(places, columns=["start", "stop", "low", "high"])
    windows.update(modality=modality, events=events)
    return windows


def _add_response(signal: FloatArray, times: FloatArray, random: RandomState) -> SignalWithEvent:
    onset = random.uniform(4, 46)
    response = np.where(times > onset, bateman((times - onset).clip(0), 0.75, 3.0), 0.0)
    # After 8 s the response has decayed to an eighth.
    return signal + np.median(signal) * response, onset, onset + 8, np.nan, np.nan


def _add_burst(signal: FloatArray, times: FloatArray, random: RandomState) -> SignalWithEvent:
    length, frequency = 6.0, random.uniform(2.5, 4.5)
    start = random.uniform(4, _DURATION - 4 - length)
    times = times - start
    inside = (times >= 0) & (times < length)
    envelope = np.where(inside, np.sin(np.pi * times / length) ** 2, 0.0)
    wave = 2 * signal.std() * envelope * np.sin(2 * np.pi * frequency * times)
    return signal + wave, start, start + length, frequency - 0.25, frequency + 0.25


def _add_pause(signal: FloatArray, times: FloatArray, random: RandomState) -> SignalWithEvent:
    length = 12.0
    start = random.uniform(4, _DURATION - 4 - length)
    times = times - start
    # The amplitude decreases and increases over one second.
    depth = np.interp(times, [-0.5, 0.5, length - 0.5, length + 0.5], [1, 0.05, 0.05, 1])
    level = signal[np.argmin(np.abs(times))]
    return level + (signal - level) * depth, start, start + length, np.nan, np.nan


_AddEvent = Callable[[FloatArray, FloatArray, RandomState], SignalWithEvent]
_EVENTS: dict[str, tuple[str, _AddEvent]] = {
    "response": ("eda", _add_response),
    "burst": ("bvp", _add_burst),
    "pause": ("resp", _add_pause),
}
