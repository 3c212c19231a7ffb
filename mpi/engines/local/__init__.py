"""Batch linkage on one machine: everything over columns of integers, each distinct pair of values compared once."""
