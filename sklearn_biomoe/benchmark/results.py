"""Tables of a benchmark: scores, transfers and ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..evaluation import Study


@dataclass
class BenchmarkResults:
    """The tables of a `Benchmark`, which documents the parameters."""

    scores: pd.DataFrame
    transfer: pd.DataFrame
    studies: dict[str, Study]
    left_out: pd.DataFrame
    environment: dict[str, str]

    def ranks(self) -> pd.DataFrame:
        """Rank the methods on each set, by all signals together; 1 is the best.

        Returns
        -------
        ranks : DataFrame
            A row for each set and a column for each method that is on all sets, without controls.
            The mean over rows is the mean rank.
        """
        own = self.scores[(self.scores["signals"] == "all") & ~self.scores["is_control"]]
        sign = np.where(own["metric"] == "mae", -1, 1)
        signed = own.assign(mean=sign * own["mean"])
        table = signed.pivot_table("mean", "set", "method", sort=False)
        return table.dropna(axis=1).rank(axis=1, ascending=False)
