"""A simulator of labelled biosignal windows: skin conductance, pulse, breathing, saturation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import i0e
from sklearn.utils import Bunch, check_random_state, check_scalar

from .._typing import FloatArray
from .._validation.parameters import check_option

_SIMULATED_RATES = {"eda": 4.0, "bvp": 64.0, "resp": 25.0, "spo2": 1.0}  # Hz

_SIMULATED_DESCR = """\
Simulated biosignal windows of two classes: 0, rest, and 1, stress-like. Stress raises heart rate,
skin conductance level, the number and size of skin conductance responses, the breathing rate and
(slightly) the number of desaturations; it lowers pulse amplitude, heart-rate variability and the
depth of breathing. There are no movement artefacts and no drift over a session.
"""


def make_biosignal_windows(
    n_subjects: int = 8,
    n_windows_per_subject: int = 20,
    *,
    modalities: Sequence[str] = ("eda", "bvp", "resp", "spo2"),
    duration: float = 60.0,
    sampling_rates: Mapping[str, float] | None = None,
    effect_size: float = 1.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Simulate windows of skin conductance, pulse, breathing and oxygen saturation.

    Subjects differ in every level; half of a subject's windows are stress-like. The modalities of a
    window belong together: breathing in ``resp`` modulates the heart rate and the pulse amplitude
    in ``bvp``. What a modality holds does not depend on which others are asked for.

    Parameters
    ----------
    n_subjects : int, default=8
    n_windows_per_subject : int, default=20
        Of an odd number, one more is rest.
    modalities : sequence of {"eda", "bvp", "resp", "spo2"}
        The columns of ``data``, in this order.
    duration : float, default=60.0
        Length of a window in seconds.
    sampling_rates : dict of str to float, default=None
        Hz per modality, where other than eda 4, bvp 64, resp 25 and spo2 1.
    effect_size : float, default=1.0
        Size of the class effect, 0 or more. A raised level grows in proportion to it. At 0 the two
        classes have exactly the same distribution.
    random_state : int, RandomState instance or None, default=None
        Pass an int for reproducible output.

    Returns
    -------
    bunch : Bunch
        data : DataFrame of n_subjects * n_windows_per_subject rows
            Columns ``subject`` and one per modality, whose cells are float64 arrays of shape
            (n_times,): ``eda`` in µS, ``bvp`` and ``resp`` in arbitrary units around 0, ``spo2``
            in percent.
        target : ndarray of shape (n_windows,), int
            0 rest, 1 stress-like, in random order within each subject.
        groups : ndarray of shape (n_windows,), int
            The subject, 1 to ``n_subjects``.
        sampling_rates : dict of str to float
            Hz per modality.
        DESCR : str
            What was simulated.

    Raises
    ------
    ValueError
        For an unknown modality, none or one named twice, a number out of range, windows shorter
        than one sample, and a sampling rate for a modality that was not asked for.
    TypeError
        For a value that is no number of the right kind.

    References
    ----------
    Skin conductance responses are Bateman functions: Benedek and Kaernbach 2010, J. Neurosci.
    Methods 190(1):80, doi:10.1016/j.jneumeth.2010.04.028. The heart rate varies at 0.1 Hz and with
    breathing: McSharry et al. 2003, IEEE Trans. Biomed. Eng. 50(3):289,
    doi:10.1109/TBME.2003.808805.

    Examples
    --------
    >>> from sklearn_biomoe.datasets import make_biosignal_windows
    >>> windows = make_biosignal_windows(n_subjects=3, n_windows_per_subject=4, random_state=0)
    >>> windows.data.shape
    (12, 5)
    >>> windows.data["eda"][0].shape, windows.data["bvp"][0].shape
    ((240,), (3840,))
    >>> windows.groups
    array([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    """
    check_scalar(n_subjects, "n_subjects", Integral, min_val=1)
    check_scalar(n_windows_per_subject, "n_windows_per_subject", Integral, min_val=1)
    _check_number("effect_size", effect_size, boundaries="left")
    names = [modalities] if isinstance(modalities, str) else list(modalities)
    rates = _check_rates(names, duration, sampling_rates or {})

    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    # One generator each, so that asking for fewer modalities leaves the others as they are.
    children = np.random.SeedSequence(seed).spawn(2 + len(_SIMULATORS))
    design_rng, breath_rng, *rngs = map(np.random.default_rng, children)
    rng_of = dict(zip(_SIMULATORS, rngs, strict=True))
    groups = np.repeat(np.arange(1, n_subjects + 1), n_windows_per_subject)
    balanced = np.arange(n_windows_per_subject) >= (n_windows_per_subject + 1) // 2
    target = design_rng.permuted(np.tile(balanced.astype(int), (n_subjects, 1)), axis=1).ravel()
    cohort = _Cohort(groups, target, float(effect_size))
    breathing = _Breathing(breath_rng, cohort)

    columns: dict[str, Any] = {"subject": groups}
    for name, rate in rates.items():
        times = np.arange(int(duration * rate + 1e-9)) / rate
        columns[name] = list(_SIMULATORS[name](rng_of[name], cohort, breathing, times, rate))
    return Bunch(
        data=pd.DataFrame(columns),
        target=target,
        groups=groups,
        sampling_rates=rates,
        DESCR=_SIMULATED_DESCR,
    )


def _check_number(name: str, value: float, boundaries: str = "neither") -> None:
    """Raise unless ``value`` is a finite number above 0, or also 0 with boundaries="left"."""
    check_scalar(value, name, Real, min_val=0, max_val=np.inf, include_boundaries=boundaries)
    if not np.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}.")


def _check_rates(
    names: list[str], duration: float, sampling_rates: Mapping[str, float]
) -> dict[str, float]:
    """Return Hz per modality, in the order of ``names``."""
    for name in names:
        check_option("modality", name, list(_SIMULATED_RATES))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"modalities must name one or more, each once; got {names}.")
    if surplus := sorted(set(sampling_rates) - set(names)):
        raise ValueError(f"sampling_rates has {surplus}, which are not among modalities={names}.")
    _check_number("duration", duration)
    rates = {name: sampling_rates.get(name, _SIMULATED_RATES[name]) for name in names}
    for name, rate in rates.items():
        _check_number(f"sampling_rates[{name!r}]", rate)
        if duration * rate + 1e-9 < 1:
            raise ValueError(
                f"duration={duration!r} s at {rate:g} Hz gives no sample of modality {name!r}; "
                f"it takes {1 / rate:g} s or more."
            )
    return {name: float(rate) for name, rate in rates.items()}


@dataclass(frozen=True)
class _Cohort:
    """Who each window is of, and its class."""

    groups: NDArray[np.int64]  # (n_windows,)
    target: NDArray[np.int64]  # (n_windows,)
    effect_size: float

    def level(
        self,
        rng: np.random.Generator,
        median: float,
        between: float,
        within: float = 0.05,
        stress: float = 0.0,
    ) -> FloatArray:
        """Draw one positive number per window, shape (n_windows, 1).

        Its logarithm varies between subjects and within one with these standard deviations. Where
        ``effect_size=1``, the class multiplies it by 1 + ``stress``, or divides it by
        1 + |``stress``| where that is negative.
        """
        subjects = rng.standard_normal(self.groups[-1])[self.groups - 1]
        spread = between * subjects + within * rng.standard_normal(self.groups.size)
        change = 1 + self.effect_size * abs(stress) * self.target
        return (median * np.exp(spread) * (change if stress >= 0 else 1 / change))[:, None]

    def phase(self, rng: np.random.Generator, n: int = 1) -> FloatArray:
        """Draw ``n`` angles per window, shape (n_windows, n)."""
        return rng.uniform(0, 2 * np.pi, (self.groups.size, n))


class _SlowProcess:
    """Random smooth curves of mean 0 and variance 1: three sinusoids between two frequencies."""

    def __init__(self, rng: np.random.Generator, cohort: _Cohort, low: float, high: float) -> None:
        self.phases = cohort.phase(rng, 3)
        self.omegas = 2 * np.pi * rng.uniform(low, high, self.phases.shape)

    def value(self, times: FloatArray) -> FloatArray:
        return self._sum(np.sin, np.ones_like(self.omegas), times)

    def integral(self, times: FloatArray) -> FloatArray:
        return self._sum(np.cos, -1 / self.omegas, times)

    def _sum(
        self, wave: Callable[[FloatArray], FloatArray], weights: FloatArray, times: FloatArray
    ) -> FloatArray:
        total = np.zeros((len(weights), len(times)))
        for omega, phase, weight in zip(self.omegas.T, self.phases.T, weights.T, strict=True):
            total += weight[:, None] * wave(omega[:, None] * times + phase[:, None])
        return total * np.sqrt(2 / 3)


class _Breathing:
    """What the lungs do in each window, for all modalities that show it."""

    def __init__(self, rng: np.random.Generator, cohort: _Cohort) -> None:
        self.rate = cohort.level(rng, 14 / 60, between=0.15, within=0.06, stress=0.2)  # Hz
        self.start = cohort.phase(rng)
        self.wobble = _SlowProcess(rng, cohort, 0.01, 0.1)

    def volume(self, times: FloatArray) -> FloatArray:
        """Lung volume between -1 and 1, shape (n_windows, n_times); inhaling takes less time."""
        cycles = self.rate * (times + 0.08 * self.wobble.integral(times))
        phase = 2 * np.pi * cycles + self.start
        return -np.cos(phase + 0.3 * (1 - np.cos(phase)))


def _bateman(times: FloatArray, rise: float, decay: float) -> FloatArray:
    """Response to one event, of height 1; ``rise`` and ``decay`` are time constants in seconds."""
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    height = np.exp(-peak / decay) - np.exp(-peak / rise)
    return (np.exp(-times / decay) - np.exp(-times / rise)) / height


def _responses(
    rng: np.random.Generator,
    events_per_second: FloatArray,
    height: FloatArray,
    n_times: int,
    rate: float,
    rise: float,
    decay: float,
) -> FloatArray:
    """Sum of Bateman functions at Poisson events, shape (n_windows, n_times)."""
    n_before = ceil(8 * decay * rate)  # recoveries of earlier events carry into the window
    n_all = n_before + n_times
    counts = rng.poisson(events_per_second[:, 0] * n_all / rate)
    rows = np.repeat(np.arange(len(counts)), counts)
    onsets = rng.uniform(0, n_all, rows.size)  # in samples
    heights = height[rows, 0] * rng.lognormal(sigma=0.5, size=rows.size)
    # An event between two samples is shared by both, or its response would jump to the grid.
    before, share = onsets.astype(int), onsets % 1
    events = np.zeros((len(counts), n_all + 1))
    np.add.at(events, (rows, before), heights * (1 - share))
    np.add.at(events, (rows, before + 1), heights * share)
    shape = _bateman(np.arange(n_all) / rate, rise, decay)
    return fftconvolve(events, shape[None], axes=1)[:, n_before:n_all]


def _simulate_eda(
    rng: np.random.Generator, cohort: _Cohort, breathing: _Breathing, times: FloatArray, rate: float
) -> FloatArray:
    tonic = cohort.level(rng, 2.0, between=0.5, within=0.1, stress=0.3)  # µS
    frequency = cohort.level(rng, 2 / 60, between=0.3, within=0.2, stress=1.5)  # Hz
    height = cohort.level(rng, 0.08, between=0.4, within=0.2, stress=0.5)  # of the tonic level
    slope = 0.05 * _SlowProcess(rng, cohort, 0.002, 0.01).value(times)
    phasic = _responses(rng, frequency, tonic * height, len(times), rate, rise=0.75, decay=3.0)
    noise = 0.001 * tonic * rng.standard_normal(phasic.shape)
    return np.maximum(tonic * np.exp(slope) + phasic + noise, 0.01)  # what a wrist sensor can read


def _simulate_bvp(
    rng: np.random.Generator, cohort: _Cohort, breathing: _Breathing, times: FloatArray, rate: float
) -> FloatArray:
    heart_rate = cohort.level(rng, 70 / 60, between=0.12, within=0.03, stress=0.2)  # Hz
    mayer = cohort.level(rng, 0.03, between=0.3, within=0.1, stress=-0.5)
    sinus_arrhythmia = cohort.level(rng, 0.05, between=0.3, within=0.1, stress=-0.5)
    amplitude = cohort.level(rng, 60.0, between=0.35, within=0.1, stress=-0.4)
    dicrotic = cohort.level(rng, 0.35, between=0.2)
    volume = breathing.volume(times)
    variation = (
        mayer * np.sin(2 * np.pi * 0.1 * times + cohort.phase(rng))
        + sinus_arrhythmia * volume
        + 0.02 * _SlowProcess(rng, cohort, 0.005, 0.04).value(times)
    )
    beats = np.cumsum(heart_rate * (1 + variation), axis=1) / rate
    phase = 2 * np.pi * beats + cohort.phase(rng)
    pulse = _bump(phase, 0.0, 2.2) + dicrotic * _bump(phase, 2.1, 3.0)
    swell = 1 - 0.12 * volume + 0.1 * _SlowProcess(rng, cohort, 0.02, 0.1).value(times)
    wander = 0.06 * _SlowProcess(rng, cohort, 0.05, 0.3).value(times) - 0.05 * volume
    noise = 0.01 * rng.standard_normal(pulse.shape)
    return amplitude * (swell * pulse + wander + noise)


def _bump(phase: FloatArray, centre: float, sharpness: float) -> FloatArray:
    """Periodic bell curve of height 1, less its mean."""
    return np.exp(sharpness * (np.cos(phase - centre) - 1)) - i0e(sharpness)


def _simulate_resp(
    rng: np.random.Generator, cohort: _Cohort, breathing: _Breathing, times: FloatArray, rate: float
) -> FloatArray:
    depth = cohort.level(rng, 1.0, between=0.25, within=0.1, stress=-0.3)
    swell = 1 + 0.15 * _SlowProcess(rng, cohort, 0.02, 0.15).value(times)
    wander = 0.15 * _SlowProcess(rng, cohort, 0.005, 0.04).value(times)
    noise = 0.01 * rng.standard_normal(swell.shape)
    return depth * (swell * breathing.volume(times) + wander) + noise


def _simulate_spo2(
    rng: np.random.Generator, cohort: _Cohort, breathing: _Breathing, times: FloatArray, rate: float
) -> FloatArray:
    deficit = cohort.level(rng, 3.0, between=0.25)  # percent below full saturation
    frequency = cohort.level(rng, 0.4 / 60, between=0.3, stress=0.4)  # Hz
    depth = cohort.level(rng, 1.5, between=0.3)
    drift = 0.3 * _SlowProcess(rng, cohort, 0.003, 0.02).value(times)
    dips = _responses(rng, frequency, depth, len(times), rate, rise=4.0, decay=12.0)
    noise = 0.08 * rng.standard_normal(dips.shape)
    return np.minimum(100 - deficit + drift - dips + noise, 100.0)


_SIMULATORS = {
    "eda": _simulate_eda,
    "bvp": _simulate_bvp,
    "resp": _simulate_resp,
    "spo2": _simulate_spo2,
}
