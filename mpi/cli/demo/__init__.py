"""The demonstration that `make demo` runs: everything once, on invented people."""
