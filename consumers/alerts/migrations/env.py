"""Run the migrations that Alembic has chosen, in the transaction of `shared.database.migrations`."""

from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
with context.begin_transaction():
    context.run_migrations()
