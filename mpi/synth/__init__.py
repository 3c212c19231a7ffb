"""The synthetic population with known truth."""
