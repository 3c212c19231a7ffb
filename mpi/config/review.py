"""What the table `[review]` may name."""

SECOND_READER = (
    "possible-duplicate", "nhs-number-on-two-persons", "two-nhs-numbers-on-one-person", "broken-cluster", "held-merge",
    "held-link", "held-move", "possible-overlay", "reused-number", "deleted-number", "trace-conflict",
    "unverified-number", "verified-nhs-numbers-differ", "valid-nhs-numbers-differ", "same-nhs-number-person-differs",
    "reaches-link-with-two-persons", "nhs-number-status-unresolved", "twins", "same-household-only", "person-in-doubt",
    "newborn-without-given-name", "do-not-link", "placeholder-person", "weak-bridge", "other-record-differs",
    "restricted",
)  # fmt: skip
"""What can ask for a second reader: the kinds of tasks but that of the gate, the hard rules, and restricted people."""
