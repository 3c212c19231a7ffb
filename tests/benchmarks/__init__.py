"""Benchmarks: `make bench`. They measure and print; nothing passes or fails by its speed."""
