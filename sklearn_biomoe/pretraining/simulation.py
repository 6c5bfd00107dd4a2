"""Simulated windows: random numbers, rhythms, events and artefacts that simulators share."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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

    def log_normal(self, median: float, spread: float) -> Tensor:
        """Draw log-normal numbers, (n_windows,); ``spread`` is the deviation of the logarithm."""
        return median * (spread * self.normal()).exp()

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

    def band_noise(self, centre: Tensor) -> Tensor:
        """Draw noise in a band around a frequency in Hz, of standard deviation 1."""
        frequencies = torch.fft.rfftfreq(self.n_times, 1 / self.sampling_rate)[None]
        gains = torch.exp(-0.5 * ((frequencies - centre[:, None]) / (0.4 * centre[:, None])) ** 2)
        shaped = torch.fft.irfft(torch.fft.rfft(self.normal(self.n_times)) * gains, n=self.n_times)
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
