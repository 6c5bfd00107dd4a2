"""Simulated windows of skin conductance, pulse, respiration and oxygen saturation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import fftconvolve
from scipy.special import i0e
from sklearn.utils import Bunch, check_random_state

from .._typing import FloatArray, Rows
from .._validation.parameters import check_integer, check_number, check_option
from ..signals.windows_bunch import WindowsBunch

_DEFAULT_RATES = {"eda": 4.0, "bvp": 64.0, "resp": 25.0, "spo2": 1.0}  # Hz

_DESCR = """\
Simulated biosignal windows of two classes: 0, rest, and 1, stress-like. Stress increases the heart
rate, the skin conductance level, the number and size of skin conductance responses, the respiration
rate and (slightly) the number of desaturations. It decreases pulse amplitude, heart rate
variability and respiration depth. There are no movement artefacts and no drift over a session.
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
    """Simulate windows of skin conductance, pulse, respiration and oxygen saturation.

    Subjects differ in all levels; half of the windows of a subject are stress-like. The modalities
    of a window are consistent: respiration in ``resp`` modulates the heart rate and the pulse
    amplitude in ``bvp``. The signal of a modality does not depend on which others are requested.

    Parameters
    ----------
    n_subjects : int, default=8
    n_windows_per_subject : int, default=20
        If odd, there is one more rest window.
    modalities : sequence of {"eda", "bvp", "resp", "spo2"}
        The columns of ``data``, in this order.
    duration : float, default=60.0
        Length of a window in seconds.
    sampling_rates : dict of str to float, default=None
        In Hz, by modality. Defaults are eda 4, bvp 64, resp 25 and spo2 1.
    effect_size : float, default=1.0
        Size of the class effect, 0 or more. Relative increases in class 1 are proportional to it.
        At 0, both classes have the same distribution.
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
            In Hz, by modality.
        DESCR : str
            Description of the simulation.

    Raises
    ------
    ValueError
        If modalities are unknown, repeated or empty; a number is out of range; windows are shorter
        than one sample; or ``sampling_rates`` contains a modality that is not requested.

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
    check_integer("n_subjects", n_subjects)
    check_integer("n_windows_per_subject", n_windows_per_subject)
    check_number("effect_size", effect_size, minimum=0)
    names = [modalities] if isinstance(modalities, str) else list(modalities)
    rates = _check_rates(names, duration, sampling_rates or {})

    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    # Separate generators, so that a modality does not depend on which others are requested.
    children = np.random.SeedSequence(seed).spawn(2 + len(_SIMULATORS))
    design, *rngs = map(np.random.default_rng, children)
    groups = np.repeat(np.arange(1, n_subjects + 1), n_windows_per_subject)
    classes = (np.arange(n_windows_per_subject) >= (n_windows_per_subject + 1) // 2).astype(int)
    target = design.permuted(np.tile(classes, (n_subjects, 1)), axis=1).ravel()
    samplers = [_Sampler(rng, groups, target, float(effect_size)) for rng in rngs]
    respiration = _Respiration(samplers[0])
    sampler_of = dict(zip(_SIMULATORS, samplers[1:], strict=True))

    columns: dict[str, Any] = {"subject": groups}
    for name, rate in rates.items():
        times = np.arange(int(duration * rate + 1e-9)) / rate
        columns[name] = list(_SIMULATORS[name](sampler_of[name], respiration, times, rate))
    return WindowsBunch(
        data=pd.DataFrame(columns),
        target=target,
        groups=groups,
        sampling_rates=rates,
        DESCR=_DESCR,
    )


def _check_rates(
    names: list[str], duration: float, sampling_rates: Mapping[str, float]
) -> dict[str, float]:
    """Return the sampling rates in Hz, in the order of ``names``."""
    for name in names:
        check_option("modality", name, list(_DEFAULT_RATES))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"modalities={names}; expected one or more distinct names.")
    if surplus := sorted(set(sampling_rates) - set(names)):
        raise ValueError(f"sampling_rates has {surplus}, which are not in modalities={names}.")
    check_number("duration", duration, above=0, unit="seconds")
    rates = {name: sampling_rates.get(name, _DEFAULT_RATES[name]) for name in names}
    for name, rate in rates.items():
        check_number(f"sampling_rates[{name!r}]", rate, above=0, unit="Hz")
        if duration * rate + 1e-9 < 1:
            raise ValueError(
                f"duration={duration!r} s is shorter than a sample of {name!r} at {rate:g} Hz; "
                f"pass {1 / rate:g} s or more."
            )
    return {name: float(rate) for name, rate in rates.items()}


@dataclass(frozen=True)
class _Sampler:
    """Random parameters of all windows, from the generator of one modality."""

    rng: np.random.Generator
    groups: Rows  # (n_windows,), 1 to n_subjects
    target: Rows  # (n_windows,), 0 or 1
    effect_size: float

    def level(
        self, median: float, between: float, within: float = 0.05, stress: float = 0.0
    ) -> FloatArray:
        """Draw one positive number per window, shape (n_windows, 1).

        ``between`` and ``within`` are standard deviations of its logarithm, between and within
        subjects. With ``effect_size=1``, class 1 multiplies it by 1 + ``stress``, or divides it by
        1 + |``stress``| if ``stress`` is negative.
        """
        subjects = self.rng.standard_normal(self.groups[-1])[self.groups - 1]
        spread = between * subjects + within * self.rng.standard_normal(self.groups.size)
        change = 1 + self.effect_size * abs(stress) * self.target
        return (median * np.exp(spread) * (change if stress >= 0 else 1 / change))[:, None]

    def phase(self, n: int = 1) -> FloatArray:
        """Draw ``n`` angles per window, in radians, shape (n_windows, n)."""
        return self.rng.uniform(0, 2 * np.pi, (self.groups.size, n))

    def curve(self, low: float, high: float) -> "_Curve":
        """Draw a smooth curve per window, with frequencies from ``low`` to ``high`` in Hz."""
        phases = self.phase(3)
        return _Curve(phases, 2 * np.pi * self.rng.uniform(low, high, phases.shape))


@dataclass(frozen=True)
class _Curve:
    """Sums of three sinusoids, with mean 0 and variance 1."""

    phases: FloatArray  # (n_windows, 3)
    omegas: FloatArray  # (n_windows, 3), in radians per second

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


class _Respiration:
    """Respiration in each window, common to all modalities."""

    def __init__(self, sampler: _Sampler) -> None:
        self.rate = sampler.level(14 / 60, between=0.15, within=0.06, stress=0.2)  # Hz
        self.start = sampler.phase()
        self.wobble = sampler.curve(0.01, 0.1)

    def volume(self, times: FloatArray) -> FloatArray:
        """Return the lung volume from -1 to 1, (n_windows, n_times), with short inspiration."""
        cycles = self.rate * (times + 0.08 * self.wobble.integral(times))
        phase = 2 * np.pi * cycles + self.start
        return -np.cos(phase + 0.3 * (1 - np.cos(phase)))


def bateman(times: FloatArray, rise: float, decay: float) -> FloatArray:
    """Return a Bateman function of height 1; ``rise`` and ``decay`` are time constants in s."""
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
    """Return sums of Bateman functions at Poisson events, shape (n_windows, n_times)."""
    n_before = ceil(8 * decay * rate)  # responses that start before the window decay in it
    n_all = n_before + n_times
    counts = rng.poisson(events_per_second[:, 0] * n_all / rate)
    rows = np.repeat(np.arange(len(counts)), counts)
    onsets = rng.uniform(0, n_all, rows.size)  # in samples
    heights = height[rows, 0] * rng.lognormal(sigma=0.5, size=rows.size)
    # An event between two samples is divided between them, for onsets off the sampling grid.
    before, fraction = onsets.astype(int), onsets % 1
    events = np.zeros((len(counts), n_all + 1))
    np.add.at(events, (rows, before), heights * (1 - fraction))
    np.add.at(events, (rows, before + 1), heights * fraction)
    shape = bateman(np.arange(n_all) / rate, rise, decay)
    return fftconvolve(events, shape[None], axes=1)[:, n_before:n_all]


def _simulate_eda(
    sampler: _Sampler, respiration: _Respiration, times: FloatArray, rate: float
) -> FloatArray:
    tonic = sampler.level(2.0, between=0.5, within=0.1, stress=0.3)  # µS
    frequency = sampler.level(2 / 60, between=0.3, within=0.2, stress=1.5)  # Hz
    height = sampler.level(0.08, between=0.4, within=0.2, stress=0.5)  # of the tonic level
    slope = 0.05 * sampler.curve(0.002, 0.01).value(times)
    phasic = _responses(
        sampler.rng, frequency, tonic * height, len(times), rate, rise=0.75, decay=3.0
    )
    noise = 0.001 * tonic * sampler.rng.standard_normal(phasic.shape)
    return np.maximum(tonic * np.exp(slope) + phasic + noise, 0.01)  # limit of a wrist sensor


def _simulate_bvp(
    sampler: _Sampler, respiration: _Respiration, times: FloatArray, rate: float
) -> FloatArray:
    heart_rate = sampler.level(70 / 60, between=0.12, within=0.03, stress=0.2)  # Hz
    mayer = sampler.level(0.03, between=0.3, within=0.1, stress=-0.5)
    sinus_arrhythmia = sampler.level(0.05, between=0.3, within=0.1, stress=-0.5)
    amplitude = sampler.level(60.0, between=0.35, within=0.1, stress=-0.4)
    dicrotic = sampler.level(0.35, between=0.2)
    volume = respiration.volume(times)
    variation = (
        mayer * np.sin(2 * np.pi * 0.1 * times + sampler.phase())
        + sinus_arrhythmia * volume
        + 0.02 * sampler.curve(0.005, 0.04).value(times)
    )
    beats = np.cumsum(heart_rate * (1 + variation), axis=1) / rate
    phase = 2 * np.pi * beats + sampler.phase()
    pulse = _bump(phase, 0.0, 2.2) + dicrotic * _bump(phase, 2.1, 3.0)
    envelope = 1 - 0.12 * volume + 0.1 * sampler.curve(0.02, 0.1).value(times)
    drift = 0.06 * sampler.curve(0.05, 0.3).value(times) - 0.05 * volume
    noise = 0.01 * sampler.rng.standard_normal(pulse.shape)
    return amplitude * (envelope * pulse + drift + noise)


def _bump(phase: FloatArray, centre: float, sharpness: float) -> FloatArray:
    """Return a periodic bell curve of height 1, minus its mean."""
    return np.exp(sharpness * (np.cos(phase - centre) - 1)) - i0e(sharpness)


def _simulate_resp(
    sampler: _Sampler, respiration: _Respiration, times: FloatArray, rate: float
) -> FloatArray:
    depth = sampler.level(1.0, between=0.25, within=0.1, stress=-0.3)
    envelope = 1 + 0.15 * sampler.curve(0.02, 0.15).value(times)
    drift = 0.15 * sampler.curve(0.005, 0.04).value(times)
    noise = 0.01 * sampler.rng.standard_normal(envelope.shape)
    return depth * (envelope * respiration.volume(times) + drift) + noise


def _simulate_spo2(
    sampler: _Sampler, respiration: _Respiration, times: FloatArray, rate: float
) -> FloatArray:
    deficit = sampler.level(3.0, between=0.25)  # percent below full saturation
    frequency = sampler.level(0.4 / 60, between=0.3, stress=0.4)  # Hz
    depth = sampler.level(1.5, between=0.3)
    drift = 0.3 * sampler.curve(0.003, 0.02).value(times)
    dips = _responses(sampler.rng, frequency, depth, len(times), rate, rise=4.0, decay=12.0)
    noise = 0.08 * sampler.rng.standard_normal(dips.shape)
    return np.minimum(100 - deficit + drift - dips + noise, 100.0)


_SIMULATORS = {
    "eda": _simulate_eda,
    "bvp": _simulate_bvp,
    "resp": _simulate_resp,
    "spo2": _simulate_spo2,
}
