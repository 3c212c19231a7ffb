"""Fellegi-Sunter as pure functions: prepare, block, compare, weigh, decide."""
