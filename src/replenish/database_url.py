"""Database URLs: read, completed with their driver, and shown without their secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replenish.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import URL

POSTGRES_NAMES = ("postgres", "postgresql")
POSTGRES_DRIVER = "postgresql+psycopg"
CONNECT_TIMEOUT_S = 10


def parse_url(text: str, name: str = "The database URL") -> URL:
    """The SQLAlchemy URL of `text`; `postgresql://` means psycopg 3.

    Raises `ConfigError` when it is none; the message calls it `name` and does not quote it: it may hold a password.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            f"{name} cannot be read. Write it as postgresql://user:password@host/database or sqlite:///folder/file.db."
        ) from None
    return url.set(drivername=POSTGRES_DRIVER) if url.drivername in POSTGRES_NAMES else url


def shown(url: URL) -> str:
    """The URL for messages: without password and without options, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def missing_driver(url: URL) -> ConfigError:
    """What to say when no driver for the URL is installed."""
    extra = " (pip install 'replenish[postgres]')" if url.drivername == POSTGRES_DRIVER else ""
    return ConfigError(f"No driver for {url.drivername} is installed{extra}.")
