"""Pickles that tell what they were made with."""

import warnings
from importlib.metadata import version
from typing import Any

PACKAGES = ["sklearn-biomoe", "scikit-learn", "torch"]
VERSIONS = "_versions"  # in a pickle


class VersionedPickle:
    """Warns where a pickle is opened with other versions than it was made with.

    As scikit-learn does for its own estimators; to be put before BaseEstimator.
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
                f"{type(self).__name__} was pickled with {', '.join(others)}: what it computes may "
                "differ. Install those versions, or fit it again.",
                UserWarning,
                stacklevel=2,
            )


def installed_versions() -> dict[str, str]:
    """Return versions by package; builds of torch, such as for CUDA, count as one version."""
    return {name: version(name).partition("+")[0] for name in PACKAGES}
