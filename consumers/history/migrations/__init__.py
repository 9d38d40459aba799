"""Migrations of the history database by Alembic. `shared.database.migrations` runs them."""

LATEST_REVISION = "0005"
