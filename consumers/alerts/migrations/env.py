"""The file that Alembic runs for this folder of migrations."""

from shared.database.migrations import run_scripts

run_scripts()
