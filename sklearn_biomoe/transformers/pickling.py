"""Pickles that record the versions they were made with."""

import warnings
from importlib.metadata import version
from typing import Any

PACKAGES = ["sklearn-biomoe", "scikit-learn", "torch"]
VERSIONS = "_versions"  # in a pickle


class VersionedPickle:
    """Warns if a pickle is opened with other versions than it was made with.

    As scikit-learn does for its own estimators. Goes before BaseEstimator among the base classes.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), VERSIONS: installed_versions()}  # type: ignore[dict-item]

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        then, now = state.pop(VERSIONS, {}), installed_versions()
        super().__setstate__(state)  # type: ignore[misc]
        others = [
            f"{name} {then[name]} (here {now[name]})"
            for name in PACKAGES
            if then.get(name, now[name]) != now[name]
        ]
        if others:
            warnings.warn(
                f"{type(self).__name__} was pickled with {', '.join(others)}: its output may "
                "differ. Install those versions, or fit it again.",
                UserWarning,
                stacklevel=2,
            )


def installed_versions() -> dict[str, str]:
    """Return versions by package; all builds of a torch version are equal."""
    return {name: version(name).partition("+")[0] for name in PACKAGES}
