"""Reading weights into the backbone, and writing them."""

import hashlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import safetensors.torch

from .._files import replace_file
from .._validation.parameters import check_option
from ..backbone.network import TinyBioMoE
from .hashes import check_sha256
from .named_weights import check_weights, find_weights
from .random_weights import random_backbone, random_sha256
from .state_dict import fit_to_backbone, parse_state_dict, read_content


@dataclass(frozen=True)
class BackboneWeights:
    """The weights of a backbone that `sklearn_biomoe.inference.get_engine` loads.

    Parameters
    ----------
    weights : str
        As for `load_backbone`.
    seed : int
        Of random weights.
    sha256 : str
        The only accepted hash, as from `weights_sha256`.
    """

    weights: str
    seed: int
    sha256: str

    def load(self) -> TinyBioMoE:
        """Return the readable network on the CPU."""
        return load_backbone(self.weights, self.seed, expected=self.sha256)


def weights_sha256(
    weights: str | PathLike[str], seed: int = 0, *, expected: str | None = None
) -> str:
    """Return the hash of weights; named ones are downloaded if they are missing.

    Parameters
    ----------
    weights : str or path
        As for `load_backbone`.
    seed : int, default=0
        Of random weights.
    expected : str or None, default=None
        The only accepted hash.

    Returns
    -------
    sha256 : str
        Of the file's bytes, or of the keys and values of random weights.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the hash is not the expected one, the published one of a name, or the one of the first
        use; if the file is empty, too large, or not a weights file by its suffix or first bytes.
    OSError
        If a download fails.

    Examples
    --------
    >>> len(weights_sha256("open"))
    64
    """
    if weights == "random":
        sha256 = random_sha256(seed)
        check_sha256(sha256, "Random weights", expected)
        return sha256
    return _read(weights, expected)[2]


def load_backbone(
    weights: str | PathLike[str], seed: int = 0, *, expected: str | None = None
) -> TinyBioMoE:
    """Build the backbone with its weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    weights : str or path
        "open", "random", "paper", a repository ``hf://owner/name`` or ``hf://owner/name@revision``
        of the Hugging Face Hub (extra ``hub``), or a file: ``.safetensors``, or a state dict or
        checkpoint of torch or Lightning (``.pth``, ``.pt``, ``.ckpt``), of which only
        ``model_state_dict`` or ``state_dict`` is used. Prefixes ``module.``, ``_orig_mod.``,
        ``backbone.``, ``model.`` and ``network.`` are removed, and the encoders' old names m1 and
        m2 replaced. Files are read as data: nothing in them is executed.
    seed : int, default=0
        Of random weights.
    expected : str or None, default=None
        The only accepted hash, as from `weights_sha256`. It is checked before the file is parsed.

    Returns
    -------
    backbone : TinyBioMoE

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file has another hash, cannot be read, or does not contain exactly the backbone's
        keys, in their shapes and with finite values.
    OSError
        If a download fails.

    Examples
    --------
    >>> load_backbone("random", seed=0).training
    False
    """
    if weights == "random":
        if expected is not None:
            check_sha256(random_sha256(seed), "Random weights", expected)
        return random_backbone(seed)
    path, content, _ = _read(weights, expected)
    backbone = random_backbone(seed)
    state = parse_state_dict(content, path)
    backbone.load_state_dict(fit_to_backbone(state, backbone.state_dict(), path))
    return backbone


def convert(
    source: str | PathLike[str], target: str | PathLike[str], dtype: str = "float32"
) -> Path:
    """Write verified weights as safetensors, without an optimiser's state.

    Parameters
    ----------
    source : str or path
        As for `load_backbone`.
    target : path
        A ``.safetensors`` file; an existing one is replaced.
    dtype : {"float32", "float16"}, default="float32"
        float16 takes half the space: the values of tensors with two or more dimensions are rounded
        to 11 significant bits. Others, such as biases and variances, stay in float32.

    Returns
    -------
    target : Path

    Raises
    ------
    ValueError
        As from `load_backbone`; if the suffix or dtype is another one, or values are too large for
        float16.
    OSError
        If the target cannot be written.
    """
    target = Path(target)
    if target.suffix != ".safetensors":
        raise ValueError(f"target={str(target)!r}; expected a name that ends in .safetensors.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist; create it.")
    check_option("dtype", dtype, ["float32", "float16"])
    sha256 = weights_sha256(source)
    state = expected = load_backbone(source, expected=sha256).state_dict()
    if dtype == "float16":
        state = {
            key: value.half() if value.is_floating_point() and value.ndim > 1 else value
            for key, value in state.items()
        }
    content = safetensors.torch.save(state, {"format": "pt", "source_sha256": sha256})
    fit_to_backbone(parse_state_dict(content, target), expected, target)
    replace_file(target, content)
    return target


def _read(weights: str | PathLike[str], expected: str | None) -> tuple[Path, bytes, str]:
    """Return the path, the content and the checked hash of a file."""
    path = find_weights(weights, expected)
    content = read_content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    check_weights(sha256, weights, path, expected)
    return path, content, sha256
