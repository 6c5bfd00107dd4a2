"""Folders with weights and a model card, as repositories of the Hugging Face Hub hold them."""

import re
from os import PathLike, fspath
from pathlib import Path

from .._files import replace_file
from .hub import FILE, PREFIX, REPOSITORY
from .loading import convert, load_backbone, weights_sha256
from .named_weights import NAMED, find_weights
from .state_dict import read_content

TAGS = ["biosignals", "physiology", "eda", "ecg", "emg", "eeg", "ppg", "respiration"]
OPEN_DETAILS = (
    " [Open weights](https://sklearn-biomoe.readthedocs.io/en/latest/open_weights.html) describes "
    "data, training and evaluation."
)
CARD = """---
{metadata}
---

# {repository}

Weights of the Tiny-BioMoE backbone: {description}.{details}

The backbone embeds an image of a biosignal as a 192-dimensional vector. It has {n_parameters:,}
parameters. `{file}` has the SHA-256 `{sha256}`.

## Use

    pip install "sklearn-biomoe[hub]"

```python
from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder

embedder = TinyBioMoEEmbedder(
    "{address}",
    weights_sha256="{sha256}",
)
embed = make_biosignal_embedder("eda", sampling_rate=4, embedder=embedder)
embeddings = embed.fit_transform(windows)  # (n_windows, n_samples) to (n_windows, 192 x n_images)
```

Input: images of 224 x 224 pixels, uint8 or float from 0 to 1, as `BiosignalImageTransformer` of
sklearn_biomoe draws them. Output: float32 vectors of 192 values.

## Limits

For research. This is not a medical device and must not be used for diagnosis. Evaluate the
embeddings on subjects of your own study who are not in the training data.

## Citation

Gkikas et al., *Tiny-BioMoE: a Lightweight Embedding Model for Biosignal Analysis*,
[arXiv 2507.21875](https://arxiv.org/abs/2507.21875), describes the network.
"""


def export(
    source: str | PathLike[str],
    folder: str | PathLike[str],
    repository: str,
    *,
    licence: str | None = None,
    description: str | None = None,
) -> Path:
    """Write weights and a model card into a folder, in the format of the Hugging Face Hub.

    Nothing is uploaded: ``hf upload owner/name folder`` does that.

    Parameters
    ----------
    source : str or path
        As for `load_backbone`.
    folder : path
        Created if it does not exist; its parent folder must exist. It receives
        ``model.safetensors`` and the model card, ``README.md``; existing ones are replaced. A
        ``.safetensors`` file is copied, so that its hash stays the same; others are converted.
    repository : str
        The name that the repository on the hub will have, "owner/name".
    licence : str or None, default=None
        An identifier of the hub, such as "bsd-3-clause" or "mit". None is that of named weights.
    description : str or None, default=None
        What the weights were trained on, for the card. None is that of named weights.

    Returns
    -------
    folder : Path

    Raises
    ------
    ValueError
        If the repository is not "owner/name", or a licence or a description is missing; as from
        `load_backbone`.
    OSError
        If the weights cannot be found or downloaded, or the folder cannot be written.
    ImportError
        If huggingface_hub is missing (extra ``hub``).

    Examples
    --------
    >>> folder = export("open", "hub", "owner/tiny-biomoe")  # doctest: +SKIP
    >>> sorted(path.name for path in folder.iterdir())  # doctest: +SKIP
    ['README.md', 'model.safetensors']
    """
    if not re.fullmatch(REPOSITORY, repository):
        raise ValueError(f"repository={repository!r}; expected owner/name.")
    if fspath(source) == "random":
        raise ValueError("weights='random' are untrained; export pretrained weights.")
    named = NAMED.get(fspath(source))
    if named is not None:
        licence, description = licence or named.licence.lower(), description or named.description
    for name, value in {"licence": licence, "description": description}.items():
        if not value:
            raise ValueError(f"Weights {fspath(source)!r} have no known {name}; pass {name}=.")
    metadata = _write_metadata(str(licence))
    parameters = load_backbone(source).parameters()
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    _write_weights(source, folder / FILE)
    card = CARD.format(
        metadata=metadata,
        repository=repository,
        description=str(description).rstrip("."),
        n_parameters=sum(parameter.numel() for parameter in parameters),
        file=FILE,
        sha256=weights_sha256(folder / FILE),
        details=OPEN_DETAILS if fspath(source) == "open" else "",
        address=f"{PREFIX}{repository}",
    )
    replace_file(folder / "README.md", card.encode())
    return folder


def _write_weights(source: str | PathLike[str], target: Path) -> None:
    path = find_weights(source)
    if path.suffix == ".safetensors":
        replace_file(target, read_content(path))  # with the same hash
    else:
        convert(source, target)


def _write_metadata(licence: str) -> str:
    """Return the YAML at the top of the card."""
    try:
        from huggingface_hub import ModelCardData
    except ImportError as error:
        raise ImportError(
            "A model card needs huggingface_hub: pip install 'sklearn-biomoe[hub]'."
        ) from error
    return ModelCardData(
        license=licence,
        library_name="sklearn_biomoe",
        pipeline_tag="image-feature-extraction",
        tags=TAGS,
    ).to_yaml()
