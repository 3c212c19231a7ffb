"""Fellegi-Sunter matching as pure functions: prepare, block, compare, weigh, decide."""
