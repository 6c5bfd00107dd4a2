"""What .ci/try_release runs with nothing but the package and its dependencies."""

import re
from importlib.metadata import metadata

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import make_biosignal_embedder
from sklearn_biomoe.datasets import make_biosignal_windows

# What PyPI shows has no links into the repository.
assert not re.findall(r"\]\((?!https:|#)", str(metadata("sklearn-biomoe").get_payload()))

windows = make_biosignal_windows(n_subjects=5, n_windows_per_subject=8, random_state=0)
embed = make_biosignal_embedder("eda", windows.sampling_rates["eda"])
model = make_pipeline(embed, StandardScaler(), LogisticRegression(max_iter=1000))
cv, groups = LeaveOneGroupOut(), windows.groups
scores = cross_val_score(model, windows.data["eda"], windows.target, groups=groups, cv=cv)
print(f"{scores.mean():.2f} ± {scores.std():.2f} over {len(scores)} subjects")
