"""Weights in repositories of the Hugging Face Hub, whose revision is recorded at first use."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from .._files import OFFLINE_VARIABLE, cache_folder, is_offline, replace_file
from .hashes import check_sha256
from .random_weights import random_backbone
from .state_dict import fit_to_backbone, parse_state_dict, read_content

PREFIX = "hf://"
FILE = "model.safetensors"  # the hub's name for weights that are not split
DEFAULT_REVISION = "main"
COPY = (
    "Use the address once on a machine with network access and copy the folder {folder} from it, "
    "or pass the path of the file."
)
REPOSITORY = r"[\w-][\w.-]*/[\w-][\w.-]*"


@dataclass(frozen=True)
class HubAddress:
    """A repository of models on the hub, and a branch, a tag or a commit of it."""

    repository: str  # "owner/name"
    revision: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}@{self.revision}"

    @property
    def record(self) -> Path:
        """Where the commit and the hash at first use are recorded."""
        name = quote(f"{self.repository}@{self.revision}", safe="@")
        return cache_folder("weights") / "hub" / f"{name}.json"


@dataclass(frozen=True)
class FirstUse:
    """What an address referred to when it was first used."""

    commit: str
    sha256: str


def parse_address(weights: str) -> HubAddress:
    """Return the parts of an address; raise ValueError if it is not one."""
    found = re.fullmatch(rf"{PREFIX}({REPOSITORY})(?:@(\w[\w./-]*))?", weights)
    if found is None:
        raise ValueError(
            f"weights={weights!r}; expected hf://owner/name, or hf://owner/name@revision with a "
            "branch, a tag or a commit."
        )
    return HubAddress(found[1], found[2] or DEFAULT_REVISION)


def find_in_hub(weights: str, expected: str | None) -> Path:
    """Return the file of an address in the hub's cache, downloading it if it is missing.

    At first use, the file is checked completely, and its commit and SHA-256 are recorded. Later
    uses of the address read that commit.

    Raises
    ------
    ImportError
        If huggingface_hub is missing.
    OSError
        If the file is missing and cannot be downloaded; a FileNotFoundError if it does not exist
        or downloads are disabled.
    ValueError
        If the address, the record or the file is not valid, or has another SHA-256 than expected.
    """
    address = parse_address(weights)
    first_use = _read_record(address)
    path = _fetch(address, address.revision if first_use is None else first_use.commit)
    if first_use is None:
        _record_first_use(address, path, expected)
    return path


def check_record(found: str, weights: str) -> None:
    """Raise ValueError if the hash of an address differs from the one at first use."""
    address = parse_address(weights)
    first_use = _read_record(address)
    if first_use is not None and found != first_use.sha256:
        raise ValueError(
            f"Weights {weights!r} have sha256 {found}, but had {first_use.sha256} at first use "
            f"({address.record}): the file in the hub's cache is damaged or was changed. Delete "
            f"it, and it is downloaded again."
        )


def _read_record(address: HubAddress) -> FirstUse | None:
    try:
        return FirstUse(**json.loads(address.record.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{address.record} is not a record of a commit and a sha256 ({error}); delete it."
        ) from error


def _record_first_use(address: HubAddress, path: Path, expected: str | None) -> None:
    content = read_content(path)
    first_use = FirstUse(path.parent.name, hashlib.sha256(content).hexdigest())
    check_sha256(first_use.sha256, f"Weights {str(address)!r}", expected)
    state = parse_state_dict(content, path)
    fit_to_backbone(state, random_backbone(0).state_dict(), path)
    try:
        address.record.parent.mkdir(parents=True, exist_ok=True)
        replace_file(address.record, json.dumps(asdict(first_use)).encode())
        outcome = f"Both are recorded in {address.record}, and later uses read that commit"
    except OSError as error:
        outcome = f"They cannot be recorded ({error}), so later changes will not be detected"
    if expected is None:
        warnings.warn(
            f"{address} is used for the first time. Its commit is {first_use.commit}, and its "
            f"{FILE} has sha256 {first_use.sha256}. {outcome}. To pin them in your code, pass "
            f"weights='{PREFIX}{address.repository}@{first_use.commit}' and "
            f"weights_sha256='{first_use.sha256}'.",
            UserWarning,
            stacklevel=2,
        )


def _fetch(address: HubAddress, revision: str) -> Path:
    """Return the file in the hub's cache; only a commit that is there needs no network."""
    try:
        from huggingface_hub import constants, hf_hub_download
    except ImportError as error:
        raise ImportError(
            f"Weights {str(address)!r} need huggingface_hub: pip install 'sklearn-biomoe[hub]'."
        ) from error
    offline = is_offline() or constants.HF_HUB_OFFLINE
    try:
        path = hf_hub_download(
            address.repository, FILE, revision=revision, local_files_only=offline
        )
    except Exception as error:  # of the HTTP library too, which depends on the version
        reason = (
            _missing_locally(error, revision) if offline else _missing_remotely(error, revision)
        )
        if reason is None:
            cause = error.__cause__ or error
            raise OSError(
                f"{address} could not be downloaded: {cause}. Check the connection. "
                + COPY.format(folder=constants.HF_HUB_CACHE)
            ) from error
        raise FileNotFoundError(f"{address}: {reason}") from error
    return Path(path)


def _missing_locally(error: Exception, revision: str) -> str | None:
    from huggingface_hub import constants, errors

    if not isinstance(error, errors.LocalEntryNotFoundError):
        return None
    variable = OFFLINE_VARIABLE if is_offline() else "HF_HUB_OFFLINE"
    return (
        f"revision {revision} of {FILE} is not in {constants.HF_HUB_CACHE}, and {variable} "
        f"disables downloads. {COPY.format(folder=constants.HF_HUB_CACHE)}"
    )


def _missing_remotely(error: Exception, revision: str) -> str | None:
    from huggingface_hub import constants, errors

    reasons = {
        errors.LocalEntryNotFoundError: None,  # there is no connection
        errors.GatedRepoError: "only users whose request was accepted can read this repository: "
        "make a request on its page, and run 'hf auth login'.",
        errors.RepositoryNotFoundError: f"{constants.ENDPOINT} has no such repository, or it is "
        "private: check the name, or run 'hf auth login'.",
        errors.RevisionNotFoundError: f"the repository has no revision {revision!r}; expected a "
        "branch, a tag or a commit.",
        errors.EntryNotFoundError: f"the repository has no file {FILE} in revision {revision!r}; "
        "'sklearn-biomoe weights export' writes a folder with one.",
    }
    return next((reason for kind, reason in reasons.items() if isinstance(error, kind)), None)
