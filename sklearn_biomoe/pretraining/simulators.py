"""Simulated windows of seven modalities, with the parameters that generated them.

Each simulator draws the parameters of each window over the ranges of human physiology and of
sensors, and returns signals and parameters; images are trained to predict the parameters. All
windows of a batch have the same sampling rate and length.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Parameters that only an image with a fixed axis of values shows.
SIZES = {
    "log_level", "level", "lowest", "log_amplitude", "log_depth", "log_strength", "log_r_amplitude",
}  # fmt: skip
MOST_EVENTS = 24  # responses, dips, bursts, blinks or spindles in a window


@dataclass(frozen=True)
class Simulated:
    """Windows and their parameters.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times), float32
        In the modality's unit.
    parameters : dict of str to Tensor of shape (n_windows,)
        NaN if a parameter is undefined, such as the recovery time of a window without responses.
    clean : Tensor of shape (n_windows, n_times), float32
        The signals before noise and artefacts.
    """

    signals: Tensor
    parameters: dict[str, Tensor]
    clean: Tensor


@dataclass(frozen=True)
class Kind:
    """A simulator, and the windows that it simulates.

    Parameters
    ----------
    simulate : callable
    sampling_rates : tuple of float
        In Hz, the most common first.
    durations : (float, float, float)
        Shortest, most common and longest, in seconds.
    """

    simulate: Callable[["Draw"], Simulated]
    sampling_rates: tuple[float, ...]
    durations: tuple[float, float, float]


class Draw:
    """Random numbers for one batch of windows, and their time axis."""

    def __init__(
        self, n_windows: int, sampling_rate: float, duration: float, generator: torch.Generator
    ) -> None:
        self.n_windows, self.sampling_rate, self.duration = n_windows, sampling_rate, duration
        self.generator = generator
        self.n_times = max(2, round(duration * sampling_rate))
        self.times = torch.arange(self.n_times) / sampling_rate  # s

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw shape (n_windows, *shape)."""
        drawn = torch.rand(self.n_windows, *shape, generator=self.generator)
        return low + (high - low) * drawn

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw log-uniform numbers, (n_windows, *shape)."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, (n_windows, *shape)."""
        return torch.randn(self.n_windows, *shape, generator=self.generator)

    def happens(self, probability: float) -> Tensor:
        """Draw 1 with a probability, otherwise 0, (n_windows,)."""
        return (self.uniform(0, 1) < probability).float()

    def noise(self, exponent: float = 0.0) -> Tensor:
        """Draw noise with power proportional to frequency**-exponent, of standard deviation 1."""
        return self.coloured(torch.full((self.n_windows,), exponent))

    def coloured(self, exponents: Tensor) -> Tensor:
        """Draw such noise with an exponent for each window, (n_windows, n_times)."""
        frequencies = torch.fft.rfftfreq(self.n_times, 1 / self.sampling_rate)
        frequencies[0] = frequencies[1]
        gains = frequencies[None] ** (-exponents[:, None] / 2)
        shaped = torch.fft.irfft(torch.fft.rfft(self.normal(self.n_times)) * gains, n=self.n_times)
        shaped = shaped - shaped.mean(dim=1, keepdim=True)
        return shaped / shaped.std(dim=1, keepdim=True).clamp_min(1e-9)

    def slow(self, longest: float) -> Tensor:
        """Draw values at most so many seconds apart, interpolated to (n_windows, n_times)."""
        n_knots = max(4, math.ceil(self.duration / longest) + 2)
        knots = self.normal(1, n_knots)
        return torch.nn.functional.interpolate(
            knots, size=self.n_times, mode="linear", align_corners=True
        )[:, 0]

    def events(self, per_minute: Tensor, before: float = 0.0) -> tuple[Tensor, Tensor]:
        """Draw times of events in seconds, and whether each occurs (0 or 1).

        Both have shape (n_windows, MOST_EVENTS). Events begin up to ``before`` seconds before the
        window.
        """
        expected = per_minute / 60 * (self.duration + before)
        n_events = torch.poisson(expected, generator=self.generator).clamp_max(MOST_EVENTS)
        occurs = torch.arange(MOST_EVENTS)[None] < n_events[:, None]
        return self.uniform(-before, self.duration, MOST_EVENTS), occurs.float()

    def in_window(self, times: Tensor, occurs: Tensor) -> Tensor:
        """Count events that begin within the window, (n_windows,)."""
        return ((times >= 0) * occurs).sum(dim=1)


def rhythm(draw: Draw, frequency: Tensor, variation: Tensor) -> Tensor:
    """Return the phase of a rhythm in periods, (n_windows, n_times).

    ``frequency`` (n_windows,) is in Hz, ``variation`` (n_windows, n_times) relative to it.
    """
    rate = frequency[:, None] * (1 + variation).clamp(0.3, 3.0)
    return torch.cumsum(rate, dim=1) / draw.sampling_rate + draw.uniform(0, 1, 1)


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


def bump(phase: Tensor, at: Tensor, width: Tensor) -> Tensor:
    """Return a Gaussian curve in each period; position and width are in periods."""
    distance = (phase - at + 0.5) % 1 - 0.5
    return torch.exp(-0.5 * (distance / width) ** 2)


def gates(draw: Draw, starts: Tensor, lengths: Tensor, occurs: Tensor, edge: float) -> Tensor:
    """Return 1 during events, otherwise 0, (n_windows, n_times); transitions take ``edge`` s."""
    since = draw.times[None, None] - starts[:, :, None]
    left = lengths[:, :, None] - since
    inside = torch.sigmoid(4 * since / edge) * torch.sigmoid(4 * left / edge)
    return (occurs[:, :, None] * inside).amax(dim=1)


def add_artefacts(
    draw: Draw,
    signal: Tensor,
    known: dict[str, Tensor],
    noise: float,
    relative_to: Tensor | None = None,
) -> Simulated:
    """Add noise to all windows, and mains hum, movement, clipping and drop-outs to some.

    ``noise`` is the largest standard deviation of the noise, relative to that of the signal or to
    ``relative_to``.
    """
    clean = signal.float()
    spread = signal.std(dim=1) if relative_to is None else relative_to
    share = draw.uniform(0, 1) ** 2 * noise
    signal = signal + (share * spread)[:, None] * draw.noise()
    nyquist = draw.sampling_rate / 2
    if nyquist > 60:
        mains = torch.where(draw.happens(0.5) > 0, 50.0, 60.0)
        hum = torch.sin(2 * math.pi * mains[:, None] * draw.times[None])
        signal = signal + (draw.happens(0.2) * draw.uniform(0, 3 * noise) * spread)[:, None] * hum
    times, occurs = draw.events(draw.log_uniform(0.5, 4) * draw.happens(0.2))
    moved = gates(draw, times[:, :3], draw.uniform(0.5, 5, 3), occurs[:, :3], edge=0.3)
    strength = draw.happens(0.5) * draw.uniform(0, 20 * noise).clamp_max(2.0) * spread
    signal = signal + strength[:, None] * moved * draw.noise(1.5)
    low, high = signal.amin(dim=1), signal.amax(dim=1)
    clipped = draw.happens(0.05) * draw.uniform(0, 0.25)
    reach = high - low
    signal = torch.minimum(signal, (high - clipped * reach)[:, None])
    starts, present = draw.events(draw.happens(0.05) * 2)
    lost = gates(draw, starts[:, :1], draw.uniform(0.2, 3, 1), present[:, :1], edge=1e-3) > 0.5
    signal = torch.where(lost, low[:, None].expand_as(signal), signal)
    return Simulated(signal.float(), known | {"noise": share}, clean)


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
    fresh, tired = _band_noise(draw, centre), _band_noise(draw, centre * (1 - fatigue))
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


USUAL = 0.7  # share of batches with the most common rate, and with the most common duration
KINDS = {
    "eda": Kind(simulate_skin_conductance, (4.0, 8.0, 16.0, 32.0), (25.0, 60.0, 120.0)),
    "bvp": Kind(simulate_pulse, (64.0, 32.0, 100.0), (10.0, 60.0, 60.0)),
    "resp": Kind(simulate_breathing, (25.0, 10.0, 50.0), (25.0, 60.0, 90.0)),
    "spo2": Kind(simulate_saturation, (4.0, 1.0), (30.0, 60.0, 180.0)),
    "ecg": Kind(simulate_electrocardiogram, (250.0, 128.0, 500.0), (5.0, 10.0, 20.0)),
    "emg": Kind(simulate_electromyogram, (1000.0, 500.0), (2.0, 5.0, 8.0)),
    "eeg": Kind(simulate_electroencephalogram, (250.0, 128.0), (4.0, 10.0, 20.0)),
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


def _band_noise(draw: Draw, centre: Tensor) -> Tensor:
    """Draw noise in a band around a frequency in Hz, of standard deviation 1."""
    frequencies = torch.fft.rfftfreq(draw.n_times, 1 / draw.sampling_rate)[None]
    gains = torch.exp(-0.5 * ((frequencies - centre[:, None]) / (0.4 * centre[:, None])) ** 2)
    shaped = torch.fft.irfft(torch.fft.rfft(draw.normal(draw.n_times)) * gains, n=draw.n_times)
    return shaped / shaped.std(dim=1, keepdim=True).clamp_min(1e-9)
