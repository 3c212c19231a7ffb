"""How good the index is: random samples, estimates from verdicts, and other models tried on what is stored."""
