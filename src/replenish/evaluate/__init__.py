"""Judging forecasts and plans against what happened."""
