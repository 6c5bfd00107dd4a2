"""
Many windows, one label
=======================

Somebody says once, after a session of four minutes, that it was stressful. Which minute was? One
label covers four windows here, and in a stressful session a single window shows it. Three ways to
one prediction for each session are compared on subjects that were left out, and attention is asked
where it looked.
"""

# %%
# The data: skin conductance of eight simulated subjects, from which sessions are put together. In
# half of them one window is of stress, and it may be any of the four.

import numpy as np
import pandas as pd

from sklearn_biomoe.datasets import make_biosignal_windows

simulated = make_biosignal_windows(8, 48, modalities=["eda"], effect_size=2, random_state=0)
random = np.random.default_rng(0)
rows = []
for subject in range(1, 9):
    own = simulated.groups == subject
    rest, stress = (np.flatnonzero(own & (simulated.target == label)).tolist() for label in (0, 1))
    for session in range(6):
        windows = [rest.pop() for _ in range(4)]
        if session % 2:
            windows[random.integers(4)] = stress.pop()
        label = "stress" if session % 2 else "rest"
        rows += [(subject, f"{subject}-{session}", label, window) for window in windows]
table = pd.DataFrame(rows, columns=["subject", "session", "label", "window"])
print(table.head())

# %%
# Each window is embedded once. ``gather_trials`` makes one bag of the windows of each session: a
# row of X as scikit-learn wants it, with one label and one subject.

from sklearn_biomoe import make_biosignal_embedder
from sklearn_biomoe.trials import gather_trials

embed = make_biosignal_embedder("eda", 4, representations=["waveform"])
embeddings = embed.fit_transform(simulated.data["eda"].iloc[table["window"]])
bags, y, subjects, names = gather_trials(
    embeddings, table["session"], y=table["label"], groups=table["subject"]
)
print(f"{len(embeddings)} windows, {len(bags)} bags, the first of shape {bags[0].shape}")

# %%
# Mean of the embeddings, votes of single windows, and attention pooling. Each is fitted on seven
# subjects and asked about the eighth.

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe.trials import AttentionMILClassifier, TrialAggregator, WindowVotingClassifier

classify = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
methods = {
    "mean of embeddings": make_pipeline(TrialAggregator("mean"), classify),
    "windows vote": WindowVotingClassifier(classify),
    "attention": AttentionMILClassifier(max_epochs=30, learning_rate=0.005),
}
for name, method in methods.items():
    scores = cross_val_score(
        method, bags, y, groups=subjects, cv=LeaveOneGroupOut(), scoring="balanced_accuracy"
    )
    print(f"{name}: balanced accuracy {scores.mean():.2f} ± {scores.std():.2f} over subjects")

# %%
# Where did attention look? Each row is a stressful session of a subject that was left out, each
# column a window; circles mark the window that was of stress, which no method was told.

import matplotlib.pyplot as plt

attention = np.empty((len(bags), 4))
for train, test in LeaveOneGroupOut().split(bags, y, subjects):
    fitted = methods["attention"].fit(bags[train], y[train])
    attention[test] = fitted.attention(bags[test])
of_stress = simulated.target[table["window"]].reshape(len(bags), 4)[y == "stress"]

figure, axis = plt.subplots(figsize=(5, 6), layout="constrained")
shown = axis.imshow(attention[y == "stress"], vmin=0, vmax=1, cmap="viridis", aspect="auto")
axis.plot(of_stress.argmax(axis=1), np.arange(len(of_stress)), "o", mfc="none", mec="red", ms=10)
axis.set(xlabel="window of the session", ylabel="stressful session", xticks=range(4))
axis.set(title="Attention; red: the stress window")
figure.colorbar(shown, label="weight, sum 1 in a row")
plt.show()

found = attention[y == "stress"].argmax(axis=1) == of_stress.argmax(axis=1)
print(f"the stress window weighs most in {found.sum()} of {len(found)} sessions; by chance 6")
