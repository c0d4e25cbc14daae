"""Peers: the same panel and origins forecast by what anyone could install."""
