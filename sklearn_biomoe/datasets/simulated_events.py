"""Simulated windows whose class effect has a known place: for checking explanations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.utils import Bunch, check_random_state

from .._typing import FloatArray
from .._validation.parameters import check_option
from .simulated import _bateman, make_biosignal_windows

DURATION = 60.0  # seconds

Event = tuple[FloatArray, float, float, float, float]  # signal, start, stop (s), low, high (Hz)


def make_event_windows(
    event: str,
    n_subjects: int = 8,
    n_windows_per_subject: int = 20,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Simulate windows of one signal, half of which hold an event at a known place.

    Windows are those of `make_biosignal_windows` without a class effect: what tells the classes
    apart is the event alone, at a random second, and the place that an explanation has to point at
    is known.

    Parameters
    ----------
    event : {"response", "burst", "pause"}
        - "response": in ``eda``, one large skin conductance response, as high as the skin
          conductance level;
        - "burst": in ``bvp``, an oscillation of 6 s at a random frequency from 2.5 to 4.5 Hz, as of
          a tremor;
        - "pause": in ``resp``, breathing that stops for 12 s.
    n_subjects : int, default=8
    n_windows_per_subject : int, default=20
        Of 60 s; half of them hold the event.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    bunch : Bunch
        data : DataFrame
            Columns ``subject`` and the modality, as from `make_biosignal_windows`.
        target : ndarray of shape (n_windows,), int
            1 where the event is.
        groups : ndarray of shape (n_windows,), int
            The subjects.
        modality : str
            Which signal it is.
        sampling_rates : dict of str to float
            In Hz.
        events : DataFrame
            A row for each window: ``start`` and ``stop`` in seconds, and ``low`` and ``high`` in
            Hz where the event has a frequency of its own; else NaN.

    Raises
    ------
    ValueError
        For an unknown event.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import make_event_windows
    >>> windows = make_event_windows("burst", 2, 4, random_state=0)
    >>> windows.data.shape, windows.target
    ((8, 2), array([1, 0, 0, 1, 1, 0, 0, 1]))
    >>> windows.events.loc[0].round(1).to_dict()
    {'start': 42.8, 'stop': 48.8, 'low': 3.4, 'high': 3.9}
    """
    check_option("event", event, list(EVENTS))
    modality, put = EVENTS[event]
    random = check_random_state(random_state)
    windows = make_biosignal_windows(
        n_subjects,
        n_windows_per_subject,
        modalities=[modality],
        duration=DURATION,
        effect_size=0.0,
        random_state=random,
    )
    rate = windows.sampling_rates[modality]
    signals = windows.data[modality].tolist()
    places = np.full((len(signals), 4), np.nan)
    for row in np.flatnonzero(windows.target):
        signals[row], *places[row] = put(signals[row], rate, random)
    windows.data[modality] = signals
    return Bunch(
        data=windows.data,
        target=windows.target,
        groups=windows.groups,
        modality=modality,
        sampling_rates=windows.sampling_rates,
        events=pd.DataFrame(places, columns=["start", "stop", "low", "high"]),
    )


def _put_response(signal: FloatArray, rate: float, random: np.random.RandomState) -> Event:
    onset = random.uniform(4, 46)
    times = np.arange(len(signal)) / rate
    response = np.where(times > onset, _bateman((times - onset).clip(0), 0.75, 3.0), 0.0)
    # After 8 s it has fallen to an eighth.
    return signal + np.median(signal) * response, onset, onset + 8, np.nan, np.nan


def _put_burst(signal: FloatArray, rate: float, random: np.random.RandomState) -> Event:
    length, frequency = 6.0, random.uniform(2.5, 4.5)
    start = random.uniform(4, DURATION - 4 - length)
    times = np.arange(len(signal)) / rate - start
    inside = (times >= 0) & (times < length)
    swell = np.where(inside, np.sin(np.pi * times / length) ** 2, 0.0)
    wave = 2 * signal.std() * swell * np.sin(2 * np.pi * frequency * times)
    return signal + wave, start, start + length, frequency - 0.25, frequency + 0.25


def _put_pause(signal: FloatArray, rate: float, random: np.random.RandomState) -> Event:
    length = 12.0
    start = random.uniform(4, DURATION - 4 - length)
    times = np.arange(len(signal)) / rate - start
    # Breath fades out and in within a second.
    depth = np.interp(times, [-0.5, 0.5, length - 0.5, length + 0.5], [1, 0.05, 0.05, 1])
    held = signal[np.argmin(np.abs(times))]
    return held + (signal - held) * depth, start, start + length, np.nan, np.nan


EVENTS: dict[str, tuple[str, Callable[[FloatArray, float, np.random.RandomState], Event]]] = {
    "response": ("eda", _put_response),
    "burst": ("bvp", _put_burst),
    "pause": ("resp", _put_pause),
}
