"""Batch back ends: prepared records in, agreement patterns out."""
