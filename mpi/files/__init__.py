"""The file door: person files in, set-aside rows out."""
