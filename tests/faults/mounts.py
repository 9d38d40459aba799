"""File systems of a test's own, mounted and unmounted by root: nobody else can."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import unavailable

# In seconds: what a process that was just killed has open may take a moment to go.
UNMOUNT_TIMEOUT = 10


@contextmanager
def mounted(folder: Path, *words: str | Path) -> Iterator[None]:
    """`mount WORDS FOLDER` for one block. Skips where it cannot be done."""
    mount(folder, *words)
    try:
        yield
    finally:
        unmount(folder)


def mount(folder: Path, *words: str | Path) -> None:
    _need_root()
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *words, folder], check=False, capture_output=True, text=True)
    if done.returncode:
        unavailable(f"no file system can be mounted here: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Now, or as soon as nobody has anything open in it; nothing there is found under its path any more."""
    deadline = time.monotonic() + UNMOUNT_TIMEOUT
    while subprocess.run(["umount", folder], check=False, capture_output=True).returncode:
        if time.monotonic() > deadline:
            subprocess.run(["umount", "--lazy", folder], check=True)
            return
        time.sleep(0.1)


def _need_root() -> None:
    if os.geteuid():
        # Also under CI, where most are ordinary users: nothing is missing that could be installed.
        pytest.skip("only root can mount a file system")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk in memory of so many bytes, such as 3m."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield folder


def enlarge(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


class FailingDisk:
    """A file system in an image file, mounted at `folder`, that can be set back to what would survive a power loss.

    What was written and not flushed is in the memory of the mounted file system alone. The image has the rest.
    """

    def __init__(self, folder: Path, image: Path, megabytes: int) -> None:
        self.folder = folder
        self._image = image
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        # All of it made at once: what the kernel makes later, it would write in the middle of a test.
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)

    def mount(self) -> None:
        # Every 300 s, not 5, the file system flushes by itself: only what somebody asked for is safe.
        mount(self.folder, "-o", "loop,commit=300", self._image)

    def settle(self) -> None:
        """Flush everything, as time would."""
        subprocess.run(["sync", "--file-system", self.folder], check=True)

    def copy(self) -> None:
        """Keep the image as it is now, while nobody writes: to be called with every process on it stopped."""
        copy = self._image.with_suffix(".copy")
        while True:
            before = self._writes()
            subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
            if self._writes() == before:
                return

    def lose_power(self) -> None:
        """Go on with the copy: to be called with every process on it killed."""
        unmount(self.folder)
        self._image.with_suffix(".copy").replace(self._image)
        self.mount()

    def _writes(self) -> str:
        """How many sectors the kernel has written to the image."""
        source = subprocess.run(
            ["findmnt", "--noheadings", "--output", "SOURCE", self.folder], check=True, capture_output=True, text=True
        )
        return Path("/sys/block", Path(source.stdout.strip()).name, "stat").read_text().split()[6]


@contextmanager
def failing_disk(folder: Path, image: Path, megabytes: int) -> Iterator[FailingDisk]:
    _need_root()
    disk = FailingDisk(folder, image, megabytes)
    disk.mount()
    try:
        yield disk
    finally:
        unmount(folder)
