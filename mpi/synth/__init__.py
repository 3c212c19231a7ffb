"""The synthetic population with known truth: made-up people, with the faults that real registers have."""
