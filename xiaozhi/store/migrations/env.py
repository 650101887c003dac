"""Run by Alembic, on the connection that `store/schema.py` hands over."""

from alembic import context

from xiaozhi.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a table in place
    render_as_batch=True,
)
context.run_migrations()
