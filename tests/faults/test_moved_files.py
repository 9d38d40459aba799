"""A database's file is removed, moved, replaced or overwritten under its consumer, and no event is lost."""

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.events import StockData
from shared.messaging.topology import queue_name
from tests.faults.assertions import assert_eventually, assert_prints
from tests.faults.ledger import PromiseBroken, Stored, assert_none, check_alerts, read_alerts, read_history
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import RULES, SABOTAGED, Pipeline
from tests.processes import until
from tests.queues import taken

# Events that are in the database, in its WAL only, and published after the change.
CHECKPOINTED, IN_WAL, AFTER = 3000, 500, 1000
STOP_FIRST = "stop the consumers, then put back a copy"


@dataclass
class Files:
    """The files of a database, a copy, and the folder to which a test moves files."""

    path: Path
    moved: Path = field(init=False)
    copy: Path = field(init=False)

    def __post_init__(self) -> None:
        self.moved = self.path.parent / "moved" / self.path.name
        self.moved.parent.mkdir()
        self.copy = self.path.with_name("copy.db")

    def beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def back_up(self) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("vacuum into ?", (str(self.copy),))
            database.execute("pragma wal_checkpoint")


def remove(files: Files) -> None:
    for suffix in ("", "-wal", "-shm"):
        files.beside(suffix).unlink()


def move(files: Files) -> None:
    for suffix in ("", "-wal", "-shm"):
        files.beside(suffix).rename(files.moved.with_name(files.beside(suffix).name))


def move_the_database_alone(files: Files) -> None:
    files.path.rename(files.moved)


def remove_the_wal(files: Files) -> None:
    files.beside("-wal").unlink()
    files.beside("-shm").unlink()


def empty_the_wal(files: Files) -> None:
    os.truncate(files.beside("-wal"), 0)


def move_a_copy_over_it(files: Files) -> None:
    files.copy.rename(files.path)


def copy_over_it(files: Files) -> None:
    shutil.copyfile(files.copy, files.path)


def cut_it(files: Files) -> None:
    os.truncate(files.path, files.path.stat().st_size // 2)


def write_garbage_over_it(files: Files) -> None:
    with files.path.open("r+b") as file:
        file.write(os.urandom(files.path.stat().st_size))


MOVES = (remove, move, move_the_database_alone, remove_the_wal, empty_the_wal, move_a_copy_over_it)
DAMAGES = (copy_over_it, cut_it, write_garbage_over_it)
Change = Callable[[Files], None]


def publish(pipeline: Pipeline, events: Sequence[StockData]) -> set[str]:
    with Load(pipeline.address, events) as load:
        return load.finish().confirmed


def store(pipeline: Pipeline, events: Sequence[StockData]) -> set[str]:
    """Publish the events, wait until the running consumer has stored them, and return their ids."""
    before = pipeline.stored()
    confirmed = publish(pipeline, events)
    until(lambda: pipeline.stored() == before + len(confirmed), "the events to be stored")
    return confirmed


def prepare(pipeline: Pipeline, files: Files) -> tuple[set[str], set[str], list[StockData]]:
    """Store events in the database, back it up, and store some in its WAL. Return the ids of both, and other events."""
    events = list(prices(CHECKPOINTED + IN_WAL + AFTER))
    checkpointed = store(pipeline, events[:CHECKPOINTED])
    files.back_up()
    in_wal = store(pipeline, events[CHECKPOINTED:-AFTER])
    return checkpointed, in_wal, events[-AFTER:]


def assert_none_acknowledged(pipeline: Pipeline, events: set[str]) -> None:
    """Check that all these events are in the queue, perhaps beside older ones that were stored just before a damage."""
    assert_eventually(lambda: pipeline.waiting("history") >= len(events), f"{len(events)} events in the queue")
    count = pipeline.waiting("history")
    queued = taken(pipeline.address, queue_name("history"), count, acknowledge=False)
    assert_none("events acknowledged after the damage", events - {each.id for each in queued})


def stored(path: Path) -> set[str]:
    """Return the ids of the stored events. Raises PromiseBroken if the file is damaged."""
    if not path.exists():
        return set()
    try:
        with closing(sqlite3.connect(path)) as database:
            verdict = database.execute("pragma integrity_check").fetchone()[0]
        rows: list[Stored] = read_history(path) if verdict == "ok" else []
    except sqlite3.DatabaseError as error:
        verdict, rows = str(error), []
    if verdict != "ok":
        raise PromiseBroken(f"{path} is damaged: {verdict}")
    return {row.id for row in rows}


def change_under_history(pipeline: Pipeline, change: Change, consumer: str) -> None:
    """Change the files while the consumer runs, and kill it at the end: what it acknowledged must be in the file."""
    files = Files(pipeline.history)
    pipeline.declare("history")
    with pipeline.consuming(consumer) as process:
        checkpointed, in_wal, others = prepare(pipeline, files)
        change(files)
        new = publish(pipeline, others)
        assert_eventually(lambda: pipeline.waiting("history") == 0, "the other events to be delivered", 60)
        time.sleep(1)
        process.stop(signal.SIGKILL)
    with pipeline.consuming(consumer, ready=False) as another:
        assert_eventually(lambda: "consuming" in another.output or not another.running, "the next consumer")
        if not another.running:
            raise PromiseBroken(f"the next consumer does not start:\n{another.output}")
        pipeline.drain("history", another)
    found = stored(pipeline.history)
    assert_none("events acknowledged after the change, and not stored", new - found)
    if change in (move, move_the_database_alone):
        assert_none("events lost that were stored before the move", (checkpointed | in_wal) - stored(files.moved))
    if change is remove_the_wal:
        assert_none("events lost that were stored before the change", (checkpointed | in_wal) - found)
    if change in (empty_the_wal, move_a_copy_over_it):
        assert_none("events lost that are in the database", checkpointed - found)
    assert_prints(process, "while in use: opened the file that is there now")


@fault
@pytest.mark.parametrize("change", MOVES)
def test_history_stores_in_the_file_that_the_setting_names(pipeline: Pipeline, change: Change) -> None:
    change_under_history(pipeline, change, "history")


@control
@pytest.mark.parametrize("change", MOVES)
def test_control_of_moved_files(pipeline: Pipeline, change: Change) -> None:
    change_under_history(pipeline, change, f"{SABOTAGED}:history_unguarded")


@fault
def test_a_change_is_noticed_within_seconds_without_any_event(pipeline: Pipeline) -> None:
    pipeline.declare("history")
    with pipeline.consuming("history") as process:
        remove(Files(pipeline.history))
        assert_prints(process, "was removed or moved while in use", timeout=10)
        assert_eventually(pipeline.history.exists, "a new file", 10)


def damage_under_history(pipeline: Pipeline, damage: Change, consumer: str) -> None:
    """Damage the file while the consumer runs, put back a copy as the consumer says, and start it again."""
    files = Files(pipeline.history)
    pipeline.declare("history")
    with pipeline.consuming(consumer) as process:
        checkpointed, _, others = prepare(pipeline, files)
        damage(files)
        new = publish(pipeline, others)
        assert_eventually(lambda: not process.running, "the end of the consumer", 20)
    if process.wait() != 1 or STOP_FIRST not in process.output or "Traceback" in process.output:
        raise PromiseBroken(f"it ended with {process.wait()}:\n{process.output}")
    assert_none_acknowledged(pipeline, new)
    shutil.copyfile(files.copy, files.path)
    with pipeline.consuming(consumer) as process:
        pipeline.drain("history", process)
    assert_none("events lost", (checkpointed | new) - stored(pipeline.history))


@fault
@pytest.mark.parametrize("damage", DAMAGES)
def test_history_acknowledges_nothing_into_a_damaged_file(pipeline: Pipeline, damage: Change) -> None:
    damage_under_history(pipeline, damage, "history")


@control
@pytest.mark.parametrize("damage", DAMAGES)
def test_control_of_damaged_files(pipeline: Pipeline, damage: Change) -> None:
    damage_under_history(pipeline, damage, f"{SABOTAGED}:history_unguarded")


def start_on_a_damaged_file(pipeline: Pipeline, consumer: str) -> None:
    """Damage the file while the consumer runs, and start the consumer again without putting back a copy."""
    files = Files(pipeline.history)
    pipeline.declare("history")
    with pipeline.consuming(consumer) as process:
        _, _, others = prepare(pipeline, files)
        write_garbage_over_it(files)
        new = publish(pipeline, others)
        assert_eventually(lambda: not process.running, "the end of the consumer", 20)
    with pipeline.consuming(consumer, ready=False) as process:
        assert_eventually(lambda: not process.running, "the end of the next consumer", 20)
        assert process.wait() == 1
        assert STOP_FIRST in process.output
    assert_none_acknowledged(pipeline, new)


@fault
def test_a_consumer_does_not_start_on_a_file_that_was_damaged_before(pipeline: Pipeline) -> None:
    start_on_a_damaged_file(pipeline, "history")


@control
def test_control_of_a_start_on_a_damaged_file(pipeline: Pipeline) -> None:
    start_on_a_damaged_file(pipeline, f"{SABOTAGED}:history_unguarded")


def remove_rules(pipeline: Pipeline, consumer: str) -> None:
    """Remove the file under the consumer, and add rules: they are in a new file."""
    pipeline.declare("alerts")
    pipeline.add_rules()
    files = Files(pipeline.alerts)
    with pipeline.consuming(consumer) as process:
        publish(pipeline, list(prices(AFTER, seed=1, symbols=("OTHER",))))
        until(lambda: pipeline.raised() > 0, "alerts on the first events")
        remove(files)
        pipeline.add_rules()
        with Load(pipeline.address, prices(AFTER, seed=2)) as load:
            ledger = load.finish()
        assert_eventually(lambda: pipeline.waiting("alerts") == 0, "the other events to be delivered")
        time.sleep(1)
        process.stop(signal.SIGKILL)
    with pipeline.consuming(consumer) as another:
        pipeline.drain("alerts", another)
    check_alerts(ledger, [each for each in read_alerts(pipeline.alerts) if each.event_id in ledger.attempted], RULES)


@fault
def test_alerts_reads_the_rules_in_the_file_that_the_setting_names(pipeline: Pipeline) -> None:
    remove_rules(pipeline, "alerts")


@control
def test_control_of_removed_rules(pipeline: Pipeline) -> None:
    remove_rules(pipeline, f"{SABOTAGED}:alerts_unguarded")
