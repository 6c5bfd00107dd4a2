"""Simulated windows of eight modalities, with the parameters that generated them.

Each simulator draws the parameters of each window over the ranges of human physiology and of
sensors, and returns signals and parameters; images are trained to predict the parameters. All
windows of a batch have the same sampling rate and length.
"""

import math

import torch
from torch import Tensor

from .cardiorespiratory import simulate_breathing, simulate_electrocardiogram, simulate_pulse
from .simulation import MOST_EVENTS, Draw, Kind, Simulated, add_artefacts, gates, rhythm


def simulate_skin_conductance(draw: Draw) -> Simulated:
    """Simulate skin conductance in µS: a tonic level with a slope, and phasic responses."""
    level = draw.log_uniform(0.08, 15)
    slope = draw.normal() * 0.15  # share of the level over a minute
    rate = draw.log_uniform(0.5, 18) * draw.happens(0.85)  # responses in a minute
    rise, recovery = draw.uniform(0.5, 1.5), draw.log_uniform(1.5, 9)  # s
    times, occurs = draw.events(rate, before=12.0)
    size = draw.log_uniform(0.01, 0.35)  # of a typical response, as a share of the level
    spread = torch.exp(0.5 * draw.normal(MOST_EVENTS))
    amplitudes = occurs * (level * size)[:, None] * spread  # µS
    since = draw.times[None, None] - times[:, :, None]  # (n_windows, n_events, n_times)
    after = since.clamp_min(0)
    shape = torch.exp(-after / recovery[:, None, None]) - torch.exp(-after / rise[:, None, None])
    ratio = rise / recovery
    peak = ratio ** (ratio / (1 - ratio)) - ratio ** (1 / (1 - ratio))
    phasic = (amplitudes[:, :, None] * shape * (since > 0)).sum(dim=1) / peak[:, None]
    minutes = draw.times[None] / 60
    drift = draw.uniform(0, 0.1)[:, None] * draw.slow(25.0)
    tonic = level[:, None] * (1 + slope[:, None] * minutes + drift).clamp_min(0.2)
    n_responses = draw.in_window(times, occurs)
    own = ((times >= 0) * amplitudes).sum(dim=1)
    nothing = torch.full_like(level, math.nan)
    known = {
        "log_level": level.log(),
        "slope": slope,
        "n_responses": n_responses,
        "response_sum": torch.log(own / level + 0.01),
        "response_size": torch.where(n_responses > 0, (own / n_responses / level).log(), nothing),
        "recovery": torch.where(n_responses > 0, recovery.log(), nothing),
    }
    return add_artefacts(draw, tonic + phasic, known, noise=0.003, relative_to=level)


def simulate_saturation(draw: Draw) -> Simulated:
    """Simulate oxygen saturation in %: a level and dips, rounded to whole numbers or tenths."""
    level = draw.uniform(88, 99.5)
    times, occurs = draw.events(draw.log_uniform(0.3, 3) * draw.happens(0.5), before=10.0)
    depth, length = draw.uniform(2, 14), draw.uniform(8, 40)
    shape = gates(draw, times[:, :8], length[:, None].expand(-1, 8), occurs[:, :8], edge=4.0)
    wander = draw.uniform(0, 0.8)
    signal = level[:, None] + wander[:, None] * draw.slow(15.0) - depth[:, None] * shape
    signal = signal.clamp(50, 100)
    step = torch.where(draw.happens(0.5) > 0, 1.0, 0.1)[:, None]
    known = {
        "level": level,
        "n_dips": draw.in_window(times[:, :8], occurs[:, :8]),
        "dipped": shape.mean(dim=1) * depth,
        "lowest": signal.min(dim=1).values,
    }
    return Simulated((torch.round(signal / step) * step).float(), known, signal.float())


def simulate_electromyogram(draw: Draw) -> Simulated:
    """Simulate EMG in mV: bursts of band-limited noise whose frequency falls with fatigue."""
    nyquist = draw.sampling_rate / 2
    centre = draw.uniform(50, 130).clamp_max(0.6 * nyquist)  # Hz
    fatigue = draw.uniform(0, 0.5)
    rate, length = draw.log_uniform(5, 90), draw.log_uniform(0.15, 0.35 * draw.duration)
    times, occurs = draw.events(rate, before=1.0)
    active = gates(draw, times, length[:, None].expand(-1, MOST_EVENTS), occurs, edge=0.05)
    strength, rest = draw.log_uniform(0.05, 3), draw.log_uniform(0.003, 0.05)
    along = torch.linspace(0, 1, draw.n_times)[None]
    fresh, tired = draw.band_noise(centre), draw.band_noise(centre * (1 - fatigue))
    muscle = fresh * torch.sqrt(1 - along) + tired * torch.sqrt(along)
    signal = muscle * (rest[:, None] + strength[:, None] * active)
    known = {
        "active": active.mean(dim=1),
        "n_bursts": (draw.in_window(times, occurs) / draw.duration).clamp_max(2.0),
        "log_strength": strength.log(),
        "log_contrast": (strength / rest).log(),
        "centre": centre,
        "fatigue": fatigue * centre,
    }
    return add_artefacts(draw, signal, known, noise=0.0)


EEG_BANDS = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}


def simulate_electroencephalogram(draw: Draw) -> Simulated:
    """Simulate EEG in µV: coloured noise, rhythms in bands, blinks and spindles."""
    exponent = draw.uniform(0.6, 2.0)
    signal = 8 * draw.coloured(exponent)
    known, strengths = {"exponent": exponent}, {}
    for name, (low, high) in EEG_BANDS.items():
        peak, strength = draw.uniform(low, high), draw.log_uniform(0.5, 20)
        wave = torch.sin(2 * math.pi * rhythm(draw, peak, 0.08 * draw.slow(1.0)))
        envelope = torch.exp(0.6 * draw.slow(1.5))
        signal = signal + strength[:, None] * wave * envelope
        strengths[f"log_{name}"] = strength.log()
        known[f"{name}_peak"] = peak
    mean = torch.stack(list(strengths.values())).mean(dim=0)
    known |= {name: strength - mean for name, strength in strengths.items()}
    times, occurs = draw.events(draw.log_uniform(2, 25) * draw.happens(0.5))
    blinks = gates(draw, times, torch.full_like(times, 0.2), occurs, edge=0.1)
    signal = signal + draw.uniform(40, 200)[:, None] * blinks
    spindles, present = draw.events(draw.log_uniform(2, 20) * draw.happens(0.3))
    envelope = gates(draw, spindles, torch.full_like(spindles, 0.8), present, edge=0.3)
    sigma = torch.sin(
        2 * math.pi * rhythm(draw, draw.uniform(11, 15), torch.zeros(1, draw.n_times))
    )
    signal = signal + draw.uniform(8, 30)[:, None] * envelope * sigma
    known |= {
        "blinks": draw.in_window(times, occurs) / draw.duration * 60,
        "spindles": draw.in_window(spindles, present) / draw.duration * 60,
    }
    return add_artefacts(draw, signal, known, noise=0.05)


def simulate_generic(draw: Draw) -> Simulated:
    """Simulate any signal: a trend, a rhythm, coloured noise, bumps and a step, in any unit.

    Parameters are relative to the standard deviation of the window, because no image shows more.
    """
    along = torch.linspace(-1, 1, draw.n_times)[None]
    trend = draw.normal() * draw.happens(0.6)
    cycles, strength = draw.log_uniform(1, draw.n_times / 6), draw.log_uniform(0.05, 3)
    strength = strength * draw.happens(0.7)
    irregularity = draw.uniform(0, 0.3)[:, None] * draw.slow(draw.duration / 6)
    phase = 2 * math.pi * rhythm(draw, cycles / draw.duration, irregularity)
    wave = torch.sin(phase + draw.uniform(0, 0.8)[:, None] * torch.sin(phase))
    wave = wave * torch.exp(0.3 * draw.slow(draw.duration / 4))
    exponent, share = draw.uniform(0, 2.5), draw.log_uniform(0.02, 2)
    bumps, n_bumps, height = _bumps(draw)
    step, at = draw.normal() * 2 * draw.happens(0.2), draw.uniform(0.1, 0.9) * draw.duration
    clean = (
        trend[:, None] * along
        + strength[:, None] * wave
        + bumps
        + step[:, None] * (draw.times[None] > at[:, None])
    )
    signal = clean + share[:, None] * draw.coloured(exponent)
    spread = signal.std(dim=1).clamp_min(1e-6)
    nothing = torch.full_like(cycles, math.nan)
    known = {
        "trend": trend / spread,
        "cycles": torch.where(strength > 0, cycles.log(), nothing),
        "rhythm": strength / spread,
        "exponent": exponent,
        "coloured": share / spread,
        "n_bumps": n_bumps,
        "bump": height * (n_bumps > 0) / spread,
        "step": step / spread,
    }
    level, scale = 50 * draw.normal(), draw.log_uniform(0.01, 100)
    signal = level[:, None] + scale[:, None] * signal
    return add_artefacts(draw, signal, known, noise=0.05, relative_to=scale * spread)


def _bumps(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Draw up to eight equal Gaussian curves: their sum, their number and their height."""
    per_window = draw.log_uniform(0.5, 6) * draw.happens(0.5)
    times, occurs = (each[:, :8] for each in draw.events(per_window * 60 / draw.duration))
    width, height = draw.log_uniform(0.01, 0.15) * draw.duration, 2 * draw.normal()
    since = (draw.times[None, None] - times[:, :, None]) / width[:, None, None]
    curves = (occurs[:, :, None] * torch.exp(-0.5 * since**2)).sum(dim=1)
    return height[:, None] * curves, occurs.sum(dim=1), height


USUAL = 0.7  # share of batches with the most common rate, and with the most common duration
KINDS = {
    "eda": Kind(simulate_skin_conductance, (4.0, 8.0, 16.0, 32.0), (25.0, 60.0, 120.0)),
    "bvp": Kind(simulate_pulse, (64.0, 32.0, 100.0), (10.0, 60.0, 60.0)),
    "resp": Kind(simulate_breathing, (25.0, 10.0, 50.0), (25.0, 60.0, 90.0)),
    "spo2": Kind(simulate_saturation, (4.0, 1.0), (30.0, 60.0, 180.0)),
    "ecg": Kind(simulate_electrocardiogram, (250.0, 128.0, 500.0), (5.0, 10.0, 20.0)),
    "emg": Kind(simulate_electromyogram, (1000.0, 500.0), (2.0, 5.0, 8.0)),
    "eeg": Kind(simulate_electroencephalogram, (250.0, 128.0), (4.0, 10.0, 20.0)),
    "generic": Kind(simulate_generic, (1.0,), (48.0, 240.0, 2048.0)),
}


def usual_window(modality: str, generator: torch.Generator) -> tuple[float, float]:
    """Draw a sampling rate in Hz and a duration in seconds for windows of a modality.

    Most are the most common ones; other rates are equally likely, other durations log-uniform.
    """
    kind = KINDS[modality]
    rates = kind.sampling_rates
    (any_rate,) = torch.randint(len(rates), (1,), generator=generator).tolist()
    usual_rate, usual_duration, share = torch.rand(3, generator=generator).tolist()
    shortest, usual, longest = kind.durations
    any_duration = shortest * (longest / shortest) ** share
    return (
        rates[0] if usual_rate < USUAL else rates[any_rate],
        usual if usual_duration < USUAL else any_duration,
    )


def simulate(
    modality: str,
    n_windows: int,
    *,
    sampling_rate: float,
    duration: float,
    generator: torch.Generator,
) -> Simulated:
    """Simulate windows of one modality.

    Parameters
    ----------
    modality : str
        One of `KINDS`.
    n_windows : int
    sampling_rate : float
        In Hz.
    duration : float
        In seconds.
    generator : torch.Generator
        Windows are on its device; the same seed gives the same windows.

    Returns
    -------
    simulated : Simulated

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> pulse = simulate("bvp", 5, sampling_rate=64.0, duration=60.0, generator=generator)
    >>> pulse.signals.shape
    torch.Size([5, 3840])
    >>> bool(((pulse.parameters["heart_rate"] > 30) & (pulse.parameters["heart_rate"] < 220)).all())
    True
    """
    with torch.device(generator.device):
        return KINDS[modality].simulate(Draw(n_windows, sampling_rate, duration, generator))
