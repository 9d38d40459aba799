"""Files that are replaced as a whole, on a real file system."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import OutputError
from shared.file_replacement import replaced_file
from shared.settings import ROOT


def test_a_file_is_written_beside_the_old_one_and_takes_its_place_and_permissions(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("old")
    path.chmod(0o640)
    with replaced_file(path) as new_file:
        assert new_file.parent == tmp_path
        new_file.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def interrupted(path: Path) -> None:
    with replaced_file(path) as new_file:
        new_file.write_text("half")
        raise KeyboardInterrupt


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    with replaced_file(link) as new_file:
        new_file.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    with replaced_file(Path(os.devnull)) as device:
        assert device == Path(os.devnull)
        device.write_text("nothing")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "is a folder: name a file in it"),
        ("missing/prices.csv", "there is no folder .*; create it first"),
        ("file/prices.csv", "there is no folder .*; create it first"),
        ("full.csv", "cannot be written: No space left on device: make room on the disk"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_in_one_line(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full.csv").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=reason), replaced_file(tmp_path / name) as new_file:
        new_file.write_text("x" * 100_000)


def test_a_stopped_process_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    program = f"""
import time
from pathlib import Path
from shared.file_replacement import replaced_file
with replaced_file(Path({str(path)!r})) as new_file:
    new_file.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
