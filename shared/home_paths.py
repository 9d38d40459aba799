"""Paths that start with `~`, which only a shell would expand."""

from pathlib import Path


def expand_home(text: str) -> str:
    """Return the path with the home directory in place of a leading `~` or `~user`. Raises ValueError."""
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError as error:
        raise ValueError(f"{text[:40]!r} is in the home directory of a user who does not exist") from error
