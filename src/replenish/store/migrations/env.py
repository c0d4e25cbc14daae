"""Runs the revisions on the connection that `store.connection.migrate` hands over."""

from __future__ import annotations

from alembic import context

from replenish.store.rows import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    render_as_batch=True,  # SQLite cannot alter columns in place
)
context.run_migrations()
