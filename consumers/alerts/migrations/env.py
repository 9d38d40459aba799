"""Run the migrations that Alembic has chosen, on the connection and in the transaction of `shared.migrations`."""

from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
with context.begin_transaction():
    context.run_migrations()
