"""Simulators of heart beats and breathing: pulse, ECG and respiration."""

import math

import torch
from torch import Tensor

from .simulation import MOST_EVENTS, Draw, Simulated, add_artefacts, bump, gates, rhythm


class Breathing:
    """Breathing, as it modulates a pulse or an ECG.

    Medians and spreads of all modulations cover those of patients of an intensive care unit, see
    ``benchmarks/breathing.py``: they are mostly small, and smaller than other fluctuations. A third
    of the windows is ventilated: breaths are regular, and equally deep.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.rate = draw.log_uniform(6, 30)  # 1/min
        spontaneous = 1 - draw.happens(1 / 3)
        irregularity = 0.02 + spontaneous * draw.log_normal(0.12, 0.6).clamp_max(0.5)
        self.phase = rhythm(draw, self.rate / 60, irregularity[:, None] * draw.slow(4.0))
        variability = spontaneous * draw.uniform(0, 0.5)
        self.volume = torch.exp(variability[:, None] * draw.slow(6.0))
        self.skewness = draw.uniform(-0.8, 0.8)[:, None]  # of a breath

    def modulate(self, median: float, spread: float) -> tuple[Tensor, Tensor]:
        """Draw a depth, (n_windows,), and return it and the modulation, (n_windows, n_times).

        The modulation has its own delay, and is absent from a tenth of the windows.
        """
        depth = self.draw.log_normal(median, spread).clamp_max(1.0) * self.draw.happens(0.9)
        angle = 2 * math.pi * (self.phase + self.draw.uniform(0, 1, 1))
        cycle = torch.sin(angle + self.skewness * torch.sin(angle))
        return depth, depth[:, None] * self.volume * cycle


def fluctuations(draw: Draw, median: float, spread: float) -> Tensor:
    """Draw fluctuations of 1.5 to 12 s with a log-normal strength, (n_windows, n_times)."""
    strength = draw.log_normal(median, spread).clamp_max(0.5)[:, None]
    return strength * (draw.slow(1.5) + draw.slow(4.0) + draw.slow(12.0))


def log_depth(depth: Tensor) -> Tensor:
    """Return the logarithm of a modulation's depth, which may be 0."""
    return (depth + 1e-3).log()


def heart(draw: Draw, breathing: Breathing) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return the phase of heart beats, relative changes of their rate, and parameters.

    Respiratory sinus arrhythmia decreases by 20 dB per decade for more than 7 breaths per minute
    (Hirsch and Bishop 1981, Am. J. Physiol. 241:H620). A quarter of the windows is irregular from
    beat to beat, as in atrial fibrillation.
    """
    rate = draw.log_uniform(42, 170)  # 1/min
    depth, sinus_arrhythmia = breathing.modulate(0.02, 1.2)
    slower = (7.2 / breathing.rate).clamp_max(1.0)
    trend = draw.uniform(-0.12, 0.12) * draw.happens(0.5)
    along = torch.linspace(-0.5, 0.5, draw.n_times)[None]
    irregular = draw.happens(0.25) * draw.uniform(0.05, 0.4)
    variation = (
        slower[:, None] * sinus_arrhythmia
        + fluctuations(draw, 0.01, 1.2)
        + irregular[:, None] * draw.slow(0.6)
        + trend[:, None] * along
    )
    premature, n_premature = _premature_beats(draw, rate)
    variation = variation + premature
    phase = rhythm(draw, rate / 60, variation)
    known = {
        "heart_rate": (phase[:, -1] - phase[:, 0]) / draw.duration * 60,
        "rate_variability": (rate[:, None] * variation).std(dim=1),
        "premature_beats": n_premature,
        "breathing_rate": breathing.rate,
        "log_sinus_arrhythmia": log_depth(slower * depth),
    }
    return phase, variation, known


def _premature_beats(draw: Draw, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Return changes of the rate by up to six premature beats and their pauses, and the number."""
    times, occurs = draw.events(draw.log_uniform(0.3, 8) * draw.happens(0.25))
    times, occurs = times[:, :6, None], occurs[:, :6]
    since, period = draw.times[None, None] - times, 60 / rate[:, None, None]
    hurry = ((since > 0) & (since < 0.6 * period)).float()
    pause = ((since >= 0.6 * period) & (since < 1.8 * period)).float()
    change = (occurs[:, :, None] * (0.6 * hurry - 0.35 * pause)).sum(dim=1)
    return change, occurs.sum(dim=1)


def simulate_pulse(draw: Draw) -> Simulated:
    """Simulate blood volume pulse: systolic and diastolic waves, breathing, vasoconstriction."""
    return pulse_and_breathing(draw)[0]


def pulse_and_breathing(draw: Draw) -> tuple[Simulated, Breathing]:
    """Simulate pulse; also return the breathing that modulates it.

    Breathing modulates its baseline, amplitude and rate (Meredith et al. 2012, J. Med. Eng.
    Technol. 36:1, doi:10.3109/03091902.2011.638965).
    """
    breathing = Breathing(draw)
    phase, variation, known = heart(draw, breathing)
    dicrotic = draw.uniform(0.05, 0.6)
    width, delay = draw.uniform(0.07, 0.13), draw.uniform(0.28, 0.42)
    pulse = bump(phase, torch.tensor(0.2), width[:, None])
    pulse = pulse + dicrotic[:, None] * bump(phase, 0.2 + delay[:, None], 1.5 * width[:, None])
    amplitude = draw.log_uniform(2, 400)
    perfusion = draw.log_normal(1, 0.6)  # all changes are larger relative to a small pulse
    amplitude_depth, amplitude_modulation = breathing.modulate(0.035, 0.6)
    baseline_depth, baseline = breathing.modulate(0.065, 0.6)
    constriction = draw.uniform(0, 0.6) * draw.happens(0.5)
    filling = draw.uniform(0, 1.5)  # a longer interval fills the heart, and the pulse is larger
    strength = torch.exp(
        (amplitude_modulation + fluctuations(draw, 0.06, 0.6)) / perfusion[:, None]
        + constriction[:, None] * draw.slow(12.0)
        - filling[:, None] * variation.clamp(-0.5, 0.5)
    )
    baseline = (baseline + fluctuations(draw, 0.04, 0.6)) / perfusion[:, None]
    signal = amplitude[:, None] * (pulse * strength + baseline)
    signal = signal - signal.mean(dim=1, keepdim=True)
    known |= {
        "log_amplitude": amplitude.log(),
        "amplitude_variability": strength.std(dim=1),
        "log_amplitude_modulation": log_depth(amplitude_depth / perfusion),
        "log_baseline_modulation": log_depth(baseline_depth / perfusion),
        "dicrotic": dicrotic,
    }
    return add_artefacts(draw, signal, known, noise=0.15), breathing


def simulate_electrocardiogram(draw: Draw) -> Simulated:
    """Simulate ECG in mV: P, QRS and T waves, whose height and baseline breathing modulates."""
    return electrocardiogram_and_breathing(draw)[0]


def electrocardiogram_and_breathing(draw: Draw) -> tuple[Simulated, Breathing]:
    """Simulate ECG; also return the breathing that modulates it."""
    breathing = Breathing(draw)
    phase, _, known = heart(draw, breathing)
    per_beat = known["heart_rate"] / 60  # widths are in seconds, phases in beats
    r, t, p = draw.log_uniform(0.4, 2.5), draw.uniform(-0.2, 0.6), draw.uniform(0.02, 0.2)
    signal = torch.zeros(draw.n_windows, draw.n_times)
    waves = [(0.30, 0.022, p), (0.455, 0.010, -0.12 * r), (0.48, 0.011, r)]
    waves += [(0.505, 0.011, -0.25 * r), (0.75, 0.055, t)]
    for at, width, height in waves:
        wide = (width * per_beat).clamp_max(0.12)[:, None]
        signal = signal + height[:, None] * bump(phase, torch.tensor(at), wide)
    height_depth, height_modulation = breathing.modulate(0.03, 0.8)
    baseline_depth, baseline = breathing.modulate(0.015, 1.5)
    signal = signal * torch.exp(height_modulation + fluctuations(draw, 0.015, 1.2))
    signal = signal + r[:, None] * (baseline + fluctuations(draw, 0.015, 1.4))
    known |= {
        "log_r_amplitude": r.log(),
        "t_amplitude": t / r,
        "log_amplitude_modulation": log_depth(height_depth),
        "log_baseline_modulation": log_depth(baseline_depth),
    }
    return add_artefacts(draw, signal, known, noise=0.12), breathing


def simulate_breathing(draw: Draw) -> Simulated:
    """Simulate breathing in arbitrary units: rate, depth, variability, asymmetry, pauses."""
    rate = draw.log_uniform(5, 35)
    irregularity = draw.uniform(0, 0.3)
    phase = rhythm(draw, rate / 60, irregularity[:, None] * draw.slow(5.0))
    asymmetry = draw.uniform(-0.35, 0.35)
    cycle = torch.sin(
        2 * math.pi * phase + asymmetry[:, None] * torch.sin(2 * math.pi * phase + 0.7)
    )
    depth, variability = draw.log_uniform(0.2, 5), draw.uniform(0, 0.5)
    envelope = torch.exp(variability[:, None] * draw.slow(8.0))
    times, occurs = draw.events(draw.log_uniform(0.5, 2) * draw.happens(0.3))
    lengths = draw.uniform(3, 14, MOST_EVENTS)
    paused = gates(draw, times[:, :4], lengths[:, :4], occurs[:, :4], edge=0.5)
    signal = depth[:, None] * cycle * envelope * (1 - 0.97 * paused)
    signal = signal + depth[:, None] * draw.uniform(0, 0.8)[:, None] * draw.slow(20.0)
    known = {
        "breathing_rate": (phase[:, -1] - phase[:, 0]) / draw.duration * 60,
        "irregularity": irregularity,
        "log_depth": depth.log(),
        "depth_variability": variability,
        "asymmetry": asymmetry,
        "paused": paused.mean(dim=1),
    }
    return add_artefacts(draw, signal, known, noise=0.08)
