"""Migrations of the alerts database by Alembic. `shared.migrations` runs them."""
