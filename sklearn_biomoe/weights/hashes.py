"""Expected hashes of weights."""

import re


def check_format(sha256: str | None) -> None:
    """Raise ValueError if a hash is not a SHA-256 in 64 lower-case hexadecimal digits."""
    if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(sha256)):
        raise ValueError(
            f"weights_sha256={sha256!r}; expected the 64 lower-case hexadecimal digits of a "
            "SHA-256, as sha256sum prints it."
        )


def check_sha256(found: str, what: str, expected: str | None) -> None:
    """Raise ValueError if a hash is not the expected one, or that is not a SHA-256."""
    check_format(expected)
    if expected not in (None, found):
        raise ValueError(
            f"{what} have sha256 {found}, but {expected} was expected: they are damaged or "
            "different, and were not loaded. To use them, fit again or pass their sha256."
        )
