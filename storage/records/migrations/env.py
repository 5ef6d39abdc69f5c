"""What alembic runs: migrations on the connection it is handed, all of them in one transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from storage.records.schema import access, connectors, core, jobs, journal, keys, links, mail, policies, uploads
from storage.records.schema.metadata import METADATA

# The tables are on METADATA once their modules are imported.
_SUBJECTS = (access, connectors, core, jobs, journal, keys, links, mail, policies, uploads)


def run() -> None:
    """Run, on ``config.attributes["connection"]``. There is no offline mode: SQL scripts would be tested by nobody."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table=context.config.attributes["version_table"],
        render_as_batch=True,  # SQLite's ALTER TABLE does little
        transactional_ddl=True,  # alembic takes SQLite's word that it cannot; it can, once BEGIN is ours
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
