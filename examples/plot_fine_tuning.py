"""
Fine-tuning the backbone
========================

A head is trained on the frozen backbone, and then the backbone's last stages with it. Subjects that
are held out tell when to stop, and subjects that nobody learnt from tell what it was worth.
"""

# %%
# Pulse of eight simulated subjects, five windows each. Two subjects are set apart.

import numpy as np

from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(8, 5, modalities=["bvp"], random_state=0)
X, y, groups = windows.data["bvp"], windows.target, windows.groups
tested = np.isin(groups, [7, 8])
print(f"{(~tested).sum()} windows to learn from, {tested.sum()} to test on")

# %%
# The image transformer is followed by a classifier that holds out a third of its subjects. What
# changes between the two models is how much of the network is trained. Noise and shifts, drawn anew
# in each epoch, are added to signals before they become images.

from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.finetuning import TinyBioMoEClassifier


def make_model(trainable, **parameters):
    draw = BiosignalImageTransformer(["spectrogram_psd"], sampling_rate=64, modality="bvp")
    classify = TinyBioMoEClassifier(
        trainable, validation=1 / 3, batch_size=5, random_state=0, **parameters
    )
    return make_pipeline(draw, classify)


models = {
    "head": make_model("head", max_epochs=30),
    "last stages": make_model(
        "last_stages", max_epochs=4, augmentation={"noise": 0.05, "time_shift": 0.1}
    ),
}

# %%
# Subjects are named by ``groups``, which a Pipeline hands on under the step's name. Images are
# embedded once for the head alone, and in each epoch where the backbone changes.

from sklearn.metrics import balanced_accuracy_score

for name, model in models.items():
    model.fit(X[~tested], y[~tested], tinybiomoeclassifier__groups=groups[~tested])
    score = balanced_accuracy_score(y[tested], model.predict(X[tested]))
    classifier = model[-1]
    print(
        f"{name}: balanced accuracy {score:.2f}, "
        f"epoch {classifier.best_epoch_} of {classifier.n_epochs_} kept"
    )

# %%
# ``history_`` has the losses of each epoch. That of the held-out subjects decides which epoch is
# kept, here marked; after five epochs without a smaller one training stops. Four subjects are too
# few for the backbone: it learns them by heart, and does no better on others than the head alone.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
for axis, (name, model) in zip(axes, models.items(), strict=True):
    history = model[-1].history_
    epochs = [epoch["epoch"] for epoch in history]
    for loss, label in [("train_loss", "training"), ("valid_loss", "held-out subjects")]:
        axis.plot(epochs, [epoch[loss] for epoch in history], marker=".", label=label)
    best = model[-1].best_epoch_
    axis.plot(best, history[best - 1]["valid_loss"], "o", color="black", mfc="none", ms=11)
    axis.set(title=name, xlabel="epoch", ylim=(0, None))
    axis.xaxis.get_major_locator().set_params(integer=True)
axes[0].set_ylabel("cross-entropy")
axes[0].legend()
plt.show()
