"""The revision of a schema in a database, beside the latest that this version knows."""

from shared.errors import StorageError


def is_latest(found: str | None, latest: str, database: str) -> bool:
    """Return True if the schema has the latest revision. Raises StorageError if its revision is a later one."""
    if found is not None and found > latest:
        raise StorageError(
            f"database {database} belongs to a later version of Stockwire: install that, or set another URL"
        )
    return found == latest


def earlier_version(database: str, migrating_command: str) -> StorageError:
    """Return the error for a command that only reads, with the command that migrates the database."""
    return StorageError(
        f"database {database} was created by an earlier version of Stockwire: run {migrating_command}, which migrates"
        " it"
    )
