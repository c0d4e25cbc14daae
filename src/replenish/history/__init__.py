"""From sales to demand: cleaning, stock-outs, what was on offer, clearance habits, calendar."""
