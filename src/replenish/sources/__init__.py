"""Where the canonical tables come from: folders, the contest's files, databases, frames in memory."""

from __future__ import annotations
