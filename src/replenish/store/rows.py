"""The tables of the database of runs.

A change here needs a new revision in `migrations/versions`; a test fails when the two disagree.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from replenish import schemas

SQL_TYPE: dict[str, type[TypeEngine[Any]]] = {
    "text": Text,
    "number": Double,
    "count": BigInteger,
    "date": Date,
    "time": Text,
    "flag": Boolean,
}

RUN_ID_LENGTH = 16
FINGERPRINT_LENGTH = 64  # SHA-256, hexadecimal


class Base(DeclarativeBase):
    """Base of the stored tables; every constraint has a name, so that migrations can address it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class RunRow(Base):
    """One run: its identity, what it was made from, and what it promised. `base_run_id`: the same without overrides."""

    __tablename__ = "runs"

    run_id: Mapped[str] = mapped_column(String(RUN_ID_LENGTH), primary_key=True)
    base_run_id: Mapped[str] = mapped_column(String(RUN_ID_LENGTH))
    created_at: Mapped[str] = mapped_column(String(32))
    store: Mapped[str] = mapped_column(Text, index=True)
    first_date: Mapped[date]
    last_date: Mapped[date]
    days: Mapped[int]
    as_of: Mapped[date]
    fingerprint: Mapped[str] = mapped_column(Text)
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str | None] = mapped_column(Text)
    gap: Mapped[float | None] = mapped_column(Double)
    promised: Mapped[float | None] = mapped_column(Double)
    expected: Mapped[float | None] = mapped_column(Double)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    versions: Mapped[dict[str, Any]] = mapped_column(JSON)
    overrides: Mapped[list[Any]] = mapped_column(JSON)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)


def _run_key(primary_key: bool = True) -> Column[str]:
    return Column(
        "run_id",
        String(RUN_ID_LENGTH),
        ForeignKey("runs.run_id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


PLAN_LINES = Table(
    "plan_lines",
    Base.metadata,
    _run_key(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    *(Column(c.name, SQL_TYPE[c.kind], nullable=c.nullable) for c in schemas.PLAN_LINES.columns),
    Column("solved_order_quantity", Double),
    Column("solved_price", Double),
)
"""One row per plan line: the columns of `schemas.PLAN_LINES` after overrides; `solved_*` is what the optimiser chose
for the item before them (empty when that run is not stored or did not list the item)."""


class PlanTableRow(Base):
    """One of the plan's further tables (candidates, cover, forecast, price curve) as a Parquet document."""

    __tablename__ = "plan_tables"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ApprovalRow(Base):
    """Somebody took responsibility for ordering what the run says."""

    __tablename__ = "approvals"

    approval_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id", ondelete="CASCADE"), index=True)
    author: Mapped[str] = mapped_column(Text)
    approved_at: Mapped[str] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text)


class ReviewRow(Base):
    """A run beside what happened, as judged on the tables of one fingerprint; `lines`, `overrides`: Parquet."""

    __tablename__ = "reviews"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(FINGERPRINT_LENGTH), primary_key=True)
    reviewed_at: Mapped[str] = mapped_column(String(32))
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    lines: Mapped[bytes] = mapped_column(LargeBinary)
    overrides: Mapped[bytes] = mapped_column(LargeBinary)
