"""Demand forecasts at the reference price, with bands and joint residuals; wholesale price forecasts."""
