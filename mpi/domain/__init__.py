"""What the words mean: people, records, identifiers, decisions. No I/O, no framework."""
