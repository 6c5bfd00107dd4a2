"""The time of recordings that all their channels have."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..recordings import Recording


def common_span(recording: Recording) -> tuple[float, float]:
    """Return the first and the last second of a recording that all channels have."""
    channels = recording.channels.values()
    first = max(np.argmin(np.isnan(each.samples)) / each.sampling_rate for each in channels)
    return float(first), min(each.duration for each in channels)


def whole_recordings(recordings: Mapping[str, Recording]) -> pd.DataFrame:
    """Return an event for each recording, as long as all its channels."""
    spans = {key: common_span(recording) for key, recording in recordings.items()}
    rows = [(key, first, last - first) for key, (first, last) in spans.items()]
    return pd.DataFrame(rows, columns=["subject", "onset", "duration"])
