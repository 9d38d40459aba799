"""Paths for programs that cannot use every path, such as RabbitMQ, whose scripts and configuration have no escapes."""

import re
import shutil
import tempfile
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")

# Every system has this folder.
_PLAIN_TEMPORARY = "/tmp"  # noqa: S108


class PlainPath:
    """A path of letters, digits and `/._+-` to a folder: the folder itself, or a symbolic link to it.

    The link is in a new folder that only its owner can enter, so nobody can let it lead to another place.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder: Path | None = None

    @property
    def path(self) -> Path:
        """The path, whose link is made at the first use."""
        if _PLAIN.fullmatch(str(self._folder)):
            return self._folder
        if self._holder is None:
            temporary = tempfile.gettempdir()
            place = temporary if _PLAIN.fullmatch(temporary) else _PLAIN_TEMPORARY
            self._holder = Path(tempfile.mkdtemp(prefix="stockwire-", dir=place))
            (self._holder / "link").symlink_to(self._folder)
        return self._holder / "link"

    def remove(self) -> None:
        """Remove the link, if there is one. The folder stays."""
        if self._holder:
            shutil.rmtree(self._holder, ignore_errors=True)
            self._holder = None
