"""How demand answers to price, and which shelf prices are considered."""
