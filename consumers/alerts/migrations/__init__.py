"""Migrations of the alerts database by Alembic. `shared.database.migrations` runs them."""
