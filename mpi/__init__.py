"""A master patient index: which hospital numbers are one person, and which study may join them."""

__version__ = "0.1.0"
