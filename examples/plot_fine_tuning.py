"""
Fine-tuning the backbone
========================

Train a head on the frozen backbone, and a head together with the last stages of the backbone.
Validation subjects are used for early stopping, and further subjects for testing.
"""

# %%
# Pulse of eight simulated subjects, five windows each. Two subjects are used for testing.

import numpy as np

from sklearn_biomoe.datasets import make_biosignal_windows

windows = make_biosignal_windows(8, 5, modalities=["bvp"], random_state=0)
X, y, groups = windows.data["bvp"], windows.target, windows.groups
tested = np.isin(groups, [7, 8])
print(f"{(~tested).sum()} training windows, {tested.sum()} test windows")

# %%
# The image transformer is followed by a classifier that holds out a third of its subjects for
# validation. The models differ in the trained part of the network. For the second one, signals are
# augmented before they are drawn, with different noise and shifts in each epoch.

from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.finetuning import TinyBioMoEClassifier


def make_model(trainable, **parameters):
    to_images = BiosignalImageTransformer(["spectrogram_psd"], sampling_rate=64, modality="bvp")
    classifier = TinyBioMoEClassifier(
        trainable, validation=1 / 3, batch_size=5, random_state=0, **parameters
    )
    return make_pipeline(to_images, classifier)


models = {
    "head": make_model("head", max_epochs=30),
    "last stages": make_model(
        "last_stages", max_epochs=4, augmentation={"noise": 0.05, "time_shift": 0.1}
    ),
}

# %%
# A Pipeline passes ``groups``, the subjects, with the name of the step as a prefix. If only the
# head is trained, images are embedded once; otherwise, in each epoch.

from sklearn.metrics import balanced_accuracy_score

for name, model in models.items():
    model.fit(X[~tested], y[~tested], tinybiomoeclassifier__groups=groups[~tested])
    score = balanced_accuracy_score(y[tested], model.predict(X[tested]))
    classifier = model[-1]
    print(
        f"{name}: balanced accuracy {score:.2f}, "
        f"epoch {classifier.best_epoch_} of {classifier.n_epochs_} restored"
    )

# %%
# ``history_`` contains the losses of each epoch. The epoch with the lowest validation loss (circle)
# is restored; training stops after five epochs without an improvement. Four training subjects are
# too few to train the backbone: it overfits and does not score higher than the head alone.

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
