"""Runs with their lines and tables, and approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT = ("store", "item_code", "item_name", "category", "unit", "reason")
_NUMBERS = (
    "order_quantity",
    "price",
    "unit_cost",
    "reference_price",
    "loss_rate",
    "carried_over",
    "expected_demand",
    "expected_sales",
    "expected_clearance_sales",
    "clearance_price",
    "expected_waste",
    "expected_profit",
    "profit_q10",
    "profit_q90",
    "sell_out_probability",
)


def upgrade() -> None:
    """Create the four tables."""
    _create_runs()
    _create_plan_lines()
    op.create_table(
        "plan_tables",
        _run_id("plan_tables"),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.Integer, primary_key=True, autoincrement=True),
        _run_id("approvals", primary_key=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("approved_at", sa.String(32), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_approvals_run_id", "approvals", ["run_id"])


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(16), primary_key=True),
        sa.Column("base_run_id", sa.String(16), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("store", sa.Text, nullable=False),
        sa.Column("first_date", sa.Date, nullable=False),
        sa.Column("last_date", sa.Date, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text),
        *(sa.Column(name, sa.Double) for name in ("gap", "promised", "expected")),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("settings", "versions", "overrides", "summary")),
    )
    op.create_index("ix_runs_store", "runs", ["store"])


def _create_plan_lines() -> None:
    op.create_table(
        "plan_lines",
        _run_id("plan_lines"),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("date", sa.Date, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXT),
        *(sa.Column(name, sa.Double, nullable=False) for name in _NUMBERS),
        sa.Column("solved_order_quantity", sa.Double),
        sa.Column("solved_price", sa.Double),
    )


def _run_id(table: str, primary_key: bool = True) -> sa.Column[str]:
    key = sa.ForeignKey("runs.run_id", name=f"fk_{table}_run_id_runs", ondelete="CASCADE")
    return sa.Column("run_id", sa.String(16), key, primary_key=primary_key, nullable=False)


def downgrade() -> None:
    """Drop the four tables."""
    for table in ("approvals", "plan_tables", "plan_lines", "runs"):
        op.drop_table(table)
