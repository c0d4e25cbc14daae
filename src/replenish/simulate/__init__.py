"""A shop whose truth is known: an hourly market of shoppers, the shop's own practice, and the history it leaves."""
