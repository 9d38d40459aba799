import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from shared.locks import file_lock, is_locked


def hold(path: Path, reply: Connection) -> None:
    with file_lock(path) as acquired:
        reply.send(acquired)
        time.sleep(60)


def test_a_lock_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with file_lock(tmp_path / "var" / "sync.lock") as first:
        assert first
        with file_lock(tmp_path / "var" / "sync.lock") as second:
            assert not second
    with file_lock(tmp_path / "var" / "sync.lock") as third:
        assert third


def test_is_locked_does_not_acquire_the_lock(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    with file_lock(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")
    with file_lock(tmp_path / "lock") as acquired:
        assert acquired


def test_a_waiting_process_times_out(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock"):
        before = time.monotonic()
        with file_lock(tmp_path / "lock", wait=0.2) as acquired:
            assert not acquired
        assert 0.2 <= time.monotonic() - before < 5


def test_an_error_in_the_block_releases_the_lock(tmp_path: Path) -> None:
    try:
        with file_lock(tmp_path / "lock"):
            raise KeyError
    except KeyError:
        pass
    with file_lock(tmp_path / "lock") as acquired:
        assert acquired


def test_a_lock_is_released_when_its_holder_is_killed(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path / "lock", theirs))
    holder.start()
    try:
        assert ours.poll(30)
        assert ours.recv()
        with file_lock(tmp_path / "lock") as acquired:
            assert not acquired
        assert holder.pid
        os.kill(holder.pid, signal.SIGKILL)
        with file_lock(tmp_path / "lock", wait=10) as acquired:
            assert acquired
    finally:
        holder.kill()
        holder.join()
        holder.close()
        ours.close()
        theirs.close()
