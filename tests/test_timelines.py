"""Times of samples: the rates that they state, gaps, and places on a regular grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError
from sklearn_biomoe.recordings.timelines import read_timeline


def test_a_gap_is_missing_samples():
    """20 s at 4 Hz, a gap of 20 s, 20 s more."""
    times = np.append(np.arange(80) / 4, 40 + np.arange(80) / 4)
    timeline = read_timeline(times)
    samples = timeline.place(np.arange(160.0))
    assert (timeline.sampling_rate, len(samples)) == (4, 240)
    np.testing.assert_array_equal(samples, [*range(80), *[np.nan] * 80, *range(80, 160)])


def test_one_lost_sample():
    timeline = read_timeline(np.array([0, 0.25, 0.75, 1, 1.25]))
    np.testing.assert_array_equal(timeline.place(np.arange(5.0)), [0, 1, np.nan, 2, 3, 4])


@pytest.mark.parametrize("rate", [0.2, 1, 4, 64, 255.9998, 256, 500])
@pytest.mark.parametrize("start", [0, 1.6e9])
def test_rates_of_times_in_whole_milliseconds(rate, start):
    times = np.round(start + np.arange(5000) / rate, 3)
    found = read_timeline(times).sampling_rate
    assert found == pytest.approx(rate, rel=1e-6)
    if rate != 255.9998:
        assert found == rate


def test_a_given_rate_is_taken_within_the_precision_of_the_times():
    times = np.round(np.arange(40) / 62.5, 2)
    assert read_timeline(times, 62.5).sampling_rate == 62.5
    assert read_timeline(np.arange(4000) / 64, 62.5).sampling_rate == 64


def test_small_jitter_is_allowed():
    times = np.arange(100) / 4 + np.random.default_rng(0).uniform(-0.05, 0.05, 100)
    timeline = read_timeline(times)
    assert timeline.sampling_rate == 4
    np.testing.assert_array_equal(timeline.place(np.arange(100.0)), np.arange(100))


def test_irregular_times_are_refused_or_interpolated():
    generator = np.random.default_rng(0)
    times = np.cumsum(generator.uniform(0.2, 0.3, 400))
    times[200:] += 10
    message = (
        r"irregular: at 3\.95109 Hz on average, row 69 at 17\.4\d+ s is 1\.22 periods.*steps of"
    )
    with pytest.raises(RecordingError, match=message):
        read_timeline(times)
    timeline = read_timeline(times, irregular="interpolate")
    samples = timeline.place(3 * times)
    grid = times[0] + np.arange(len(samples)) / timeline.sampling_rate
    found = ~np.isnan(samples)
    np.testing.assert_allclose(samples[found], 3 * grid[found], rtol=1e-9)
    gap = (grid > times[199]) & (grid < times[200])
    np.testing.assert_array_equal(~found, gap)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 0.25, 0.25, 0.5], r"time of row 2, 0\.25 s, is not after .* before, 0\.25 s \(1 such"),
        ([0, 0.5, 0.25], r"time of row 2, 0\.25 s, is not after"),
        ([0, np.nan, 0.5], "Row 1 has no time"),
        ([0], "rate of 1 samples is unknown; pass sampling_rate in Hz"),
        ([0, 1e-3, 1e12], "spread over 1e"),
    ],
)
def test_times_that_are_refused(times, message):
    with pytest.raises(RecordingError, match=message):
        read_timeline(np.array(times, dtype=float))


def test_a_single_time_with_a_rate():
    assert read_timeline(np.array([7.0]), 4).place(np.array([1.0])).tolist() == [1]


@settings(max_examples=200, deadline=None)
@given(
    rate=st.sampled_from([0.5, 1, 4, 32, 62.4725, 64, 250, 1000]),
    runs=st.lists(st.tuples(st.integers(2, 30), st.integers(1, 50)), min_size=1, max_size=5),
    start=st.floats(-1e6, 1.7e9),
    noise=st.sampled_from([0, 0.1]),
    seed=st.integers(0, 99),
)
def test_random_gaps(rate, runs, start, noise, seed):
    """Each sample is found at its place, whatever the gaps."""
    places, position = [], 0
    for n_samples, n_missing in runs:
        places += range(position, position + n_samples)
        position += n_samples + n_missing
    jitter = np.random.default_rng(seed).uniform(-noise, noise, len(places))
    timeline = read_timeline(start + (np.array(places) + jitter) / rate, rate)
    samples = timeline.place(np.arange(len(places), dtype=float))
    assert timeline.sampling_rate == pytest.approx(rate, rel=(noise and 0.2) or 1e-4)
    if timeline.sampling_rate == rate:
        found = np.flatnonzero(~np.isnan(samples))
        assert np.abs(found - places).max() <= 1
        np.testing.assert_array_equal(samples[found], np.arange(len(places)))
