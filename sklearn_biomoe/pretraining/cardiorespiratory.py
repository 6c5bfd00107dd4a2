"""Simulators of heart beats and breathing: pulse, ECG and respiration."""

import math

import torch
from torch import Tensor

from .simulation import MOST_EVENTS, Draw, Simulated, add_artefacts, bump, gates, rhythm


def heart(draw: Draw) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return the phases of heart beats and of breathing, and their parameters."""
    rate = draw.log_uniform(42, 170)  # 1/min
    breathing = draw.log_uniform(6, 30)  # 1/min
    sinus_arrhythmia = draw.uniform(0, 0.12)  # share of the rate
    slow_variability = draw.uniform(0, 0.08)
    trend = draw.uniform(-0.12, 0.12) * draw.happens(0.5)
    breath = rhythm(draw, breathing / 60, 0.1 * draw.slow(8.0))
    along = torch.linspace(-0.5, 0.5, draw.n_times)[None]
    variation = (
        sinus_arrhythmia[:, None] * torch.sin(2 * math.pi * breath)
        + slow_variability[:, None] * draw.slow(10.0)
        + trend[:, None] * along
    )
    times, occurs = draw.events(draw.log_uniform(0.3, 8) * draw.happens(0.25))
    for event in range(6):  # premature beats, followed by a compensatory pause
        since = draw.times[None] - times[:, event, None]
        period = 60 / rate[:, None]
        hurry = ((since > 0) & (since < 0.6 * period)).float()
        pause = ((since >= 0.6 * period) & (since < 1.8 * period)).float()
        variation = variation + occurs[:, event, None] * (0.6 * hurry - 0.35 * pause)
    phase = rhythm(draw, rate / 60, variation)
    n_beats = (phase[:, -1] - phase[:, 0]) / draw.duration * 60
    known = {
        "heart_rate": n_beats,
        "rate_variability": (rate[:, None] * variation).std(dim=1),
        "premature_beats": occurs[:, :6].sum(dim=1),
        "breathing_rate": breathing,
        "sinus_arrhythmia": sinus_arrhythmia,
    }
    return phase, breath, known


def simulate_pulse(draw: Draw) -> Simulated:
    """Simulate blood volume pulse: systolic and diastolic waves, breathing, vasoconstriction."""
    phase, breath, known = heart(draw)
    dicrotic = draw.uniform(0.05, 0.6)
    width, delay = draw.uniform(0.07, 0.13), draw.uniform(0.28, 0.42)
    pulse = bump(phase, torch.tensor(0.2), width[:, None])
    pulse = pulse + dicrotic[:, None] * bump(phase, 0.2 + delay[:, None], 1.5 * width[:, None])
    amplitude = draw.log_uniform(2, 400)
    modulation = draw.uniform(0, 0.35)
    constriction = draw.uniform(0, 0.6) * draw.happens(0.5)
    strength = 1 + modulation[:, None] * torch.sin(2 * math.pi * breath)
    strength = strength * torch.exp(constriction[:, None] * draw.slow(12.0))
    baseline = draw.uniform(0, 0.6)[:, None] * torch.sin(2 * math.pi * breath + 1)
    signal = amplitude[:, None] * (pulse * strength + baseline)
    signal = signal - signal.mean(dim=1, keepdim=True)
    known |= {
        "log_amplitude": amplitude.log(),
        "amplitude_variability": strength.std(dim=1),
        "dicrotic": dicrotic,
    }
    return add_artefacts(draw, signal, known, noise=0.15)


def simulate_electrocardiogram(draw: Draw) -> Simulated:
    """Simulate ECG in mV: P, QRS and T waves, baseline wander from breathing."""
    phase, breath, known = heart(draw)
    per_beat = known["heart_rate"] / 60  # widths are in seconds, phases in beats
    r, t, p = draw.log_uniform(0.4, 2.5), draw.uniform(-0.2, 0.6), draw.uniform(0.02, 0.2)
    signal = torch.zeros(draw.n_windows, draw.n_times)
    waves = [(0.30, 0.022, p), (0.455, 0.010, -0.12 * r), (0.48, 0.011, r)]
    waves += [(0.505, 0.011, -0.25 * r), (0.75, 0.055, t)]
    for at, width, height in waves:
        wide = (width * per_beat).clamp_max(0.12)[:, None]
        signal = signal + height[:, None] * bump(phase, torch.tensor(at), wide)
    wander = draw.log_uniform(0.01, 0.4)
    signal = signal + wander[:, None] * (torch.sin(2 * math.pi * breath) + draw.slow(4.0))
    known |= {"log_r_amplitude": r.log(), "t_amplitude": t / r, "wander": (wander / r).log()}
    return add_artefacts(draw, signal, known, noise=0.12)


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
