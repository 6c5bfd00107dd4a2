"""The container that functions which cut or load windows return."""

from sklearn.utils import Bunch


class WindowsBunch(Bunch):
    """A `Bunch` of windows whose text is one line, without the samples.

    Examples
    --------
    >>> import pandas as pd
    >>> WindowsBunch(
    ...     data=pd.DataFrame({"subject": ["S1"], "eda": [[1.0, 2.0]]}),
    ...     groups=["S1"],
    ...     sampling_rates={"eda": 4.0},
    ... )
    <1 window of 1 subject: eda at 4 Hz; keys: data, groups, sampling_rates>
    """

    def __repr__(self) -> str:
        if not {"data", "groups", "sampling_rates"} <= self.keys():  # a user may remove some
            return super().__repr__()
        n_windows, n_subjects = len(self["data"]), len(set(self["groups"]))
        signals = ", ".join(f"{name} at {rate:g} Hz" for name, rate in self.sampling_rates.items())
        parts = [
            f"{n_windows:,} window{'' if n_windows == 1 else 's'} of {n_subjects:,} "
            f"subject{'' if n_subjects == 1 else 's'}: {signals}"
        ]
        if "dropped" in self:
            parts.append(f"{len(self['dropped']):,} dropped")
        parts.append(f"keys: {', '.join(self)}")
        return f"<{'; '.join(parts)}>"
