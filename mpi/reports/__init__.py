"""Charts and self-contained pages out of figures."""
