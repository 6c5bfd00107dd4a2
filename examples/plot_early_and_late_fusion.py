"""
Early against late fusion
=========================

Skin conductance and pulse, each by itself and put together in three ways: their embeddings side by
side, their mean, and a classifier for each of them whose probabilities are averaged.
"""

# %%
# Six simulated subjects, eight minutes of each. One table of embeddings is made of both signals.

from sklearn_biomoe import make_multimodal_embedder
from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(6, 8, modalities=["eda", "bvp"], random_state=0)
embed = make_multimodal_embedder(windows.sampling_rates).set_output(transform="pandas")
X = embed.fit_transform(windows.data)
X.iloc[:2, [0, 1, -2, -1]]

# %%
# The embedder learns nothing, so all methods start from the same table: 192 columns of each
# modality. Which of them a method sees, and when it puts them together, is all they differ in.

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier

classify = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
columns = {name: [c for c in X.columns if c.startswith(name)] for name in ("eda", "bvp")}
methods = {
    "eda alone": make_pipeline(make_column_transformer(("passthrough", columns["eda"])), classify),
    "bvp alone": make_pipeline(make_column_transformer(("passthrough", columns["bvp"])), classify),
    "early": classify,
    "additive": make_pipeline(AdditiveFusion(), classify),
    "late, mean": LateFusionClassifier([(name, classify, columns[name]) for name in columns]),
}

# %%
# A study asks all of them about the same left-out subjects.

from sklearn_biomoe.evaluation import run_study

study = run_study(methods, X, windows.target, windows.groups)
summary = study.summary()
for method, row in summary.iterrows():
    print(f"{method}: balanced accuracy {row['mean']:.2f} ± {row['sd']:.2f}")

# %%
# Each point is a subject, the bar the mean with its 95 % interval over subjects. The grey line is
# what guessing scores.

import matplotlib.pyplot as plt
import numpy as np

spread = np.linspace(-0.15, 0.15, 6)  # so that no subject hides another
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
for height, method in enumerate(methods):
    own = study.scores.loc[study.scores["method"] == method, "balanced_accuracy"]
    mean, low, high = summary.loc[method, ["mean", "low", "high"]]
    axis.plot([low, high], [height, height], color="tab:blue", linewidth=6, alpha=0.35)
    axis.plot(own, height + spread, "o", color="black", markersize=4, alpha=0.5)
    axis.plot(mean, height, "|", color="tab:blue", markersize=18, markeredgewidth=3)
axis.axvline(0.5, color="grey", linestyle=":")
axis.set(yticks=range(len(methods)), yticklabels=methods, xlabel="balanced accuracy")
axis.set_ylim(len(methods) - 0.5, -0.5)
plt.show()

# %%
# Is one better than another? Paired over subjects, and corrected for the comparisons that were
# asked for. With six subjects little can be told: the p-value of a sign-flip test cannot fall below
# 2 / 2 to the 6, which is 0.03, whatever the difference.

planned = [("early", "late, mean"), ("early", "eda alone"), ("early", "bvp alone")]
study.comparisons(planned).round(3)

# %%
# Late fusion tells more than a score: what each modality said of a window by itself.

late = methods["late, mean"].fit(X, windows.target)
said = late.predict_by_modality(X[:3])
print({name: probabilities[:, 1].round(2).tolist() for name, probabilities in said.items()})
