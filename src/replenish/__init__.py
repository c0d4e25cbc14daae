"""replenish: what to put on the shelf tomorrow, how much to order and at what price."""

from __future__ import annotations
