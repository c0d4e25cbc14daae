"""Reviews: runs beside what happened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of reviews."""
    key = sa.ForeignKey("runs.run_id", name="fk_reviews_run_id_runs", ondelete="CASCADE")
    op.create_table(
        "reviews",
        sa.Column("run_id", sa.String(16), key, primary_key=True, nullable=False),
        sa.Column("fingerprint", sa.String(64), primary_key=True, nullable=False),
        sa.Column("reviewed_at", sa.String(32), nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("lines", "overrides")),
    )


def downgrade() -> None:
    """Drop the table of reviews."""
    op.drop_table("reviews")
