"""File systems that belong to a test. Only root can mount them."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import unavailable

# In seconds: files of a killed process may stay open for a moment.
UNMOUNT_TIMEOUT = 10


@contextmanager
def mounted(folder: Path, *words: str | Path) -> Iterator[None]:
    """Run `mount WORDS FOLDER` for one block. Skips the test if that is not possible."""
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
    """Unmount as soon as no process has a file open there. After UNMOUNT_TIMEOUT, detach the path anyway."""
    deadline = time.monotonic() + UNMOUNT_TIMEOUT
    while subprocess.run(["umount", folder], check=False, capture_output=True).returncode:
        if time.monotonic() > deadline:
            subprocess.run(["umount", "--lazy", folder], check=True)
            return
        time.sleep(0.1)


def _need_root() -> None:
    if os.geteuid():
        # Also under CI, where an ordinary user cannot mount: nothing could be installed to change that.
        pytest.skip("only root can mount a file system")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk in memory with this size, such as 3m."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield folder


def enlarge(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def fill(folder: Path) -> None:
    """Fill the disk to the last byte."""
    with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


class FailingDisk:
    """A file system in an image file, mounted at `folder`, that can be reset to what survives a power loss.

    Unflushed data is only in the memory of the mounted file system. The image has all other data.
    """

    def __init__(self, folder: Path, image: Path, megabytes: int) -> None:
        self.folder = folder
        self._image = image
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        # Without lazy initialization, which the kernel would write in the middle of a test.
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)

    def mount(self) -> None:
        # The file system flushes every 300 s, not 5 s, so that only flushed files are safe.
        mount(self.folder, "-o", "loop,commit=300", self._image)

    def settle(self) -> None:
        """Flush everything to the image."""
        subprocess.run(["sync", "--file-system", self.folder], check=True)

    def copy(self) -> None:
        """Copy the image as it is now. Every process that uses it must be stopped."""
        copy = self._image.with_suffix(".copy")
        while True:
            before = self._writes()
            subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
            if self._writes() == before:
                return

    def lose_power(self) -> None:
        """Mount the copy instead of the image. Every process that uses it must be killed."""
        unmount(self.folder)
        self._image.with_suffix(".copy").replace(self._image)
        self.mount()

    def _writes(self) -> str:
        """Return the number of sectors that the kernel has written to the image."""
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
