"""Batch back ends, one shape: prepared records in, agreement patterns out."""
