"""What the producer remembers across restarts and shares between its processes: one SQLite file in `var`.

Each concept has its table beside the code that uses it, on this `metadata`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, MetaData, inspect
from sqlalchemy.engine import URL

from shared.database import opened, reading, writing

FILE = "producer.db"

metadata = MetaData()


@contextmanager
def open_state(folder: Path) -> Iterator[Engine]:
    """The state kept in `folder`, its tables made where they are missing. Raises StorageError."""
    with opened(URL.create("sqlite", database=str(folder / FILE))) as engine:
        with reading(engine) as connection:
            there = set(inspect(connection).get_table_names())
        if not metadata.tables.keys() <= there:
            with writing(engine) as connection:
                metadata.create_all(connection)
        yield engine
