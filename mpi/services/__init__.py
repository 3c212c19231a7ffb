"""One module per flow; the transaction and the audit trail live here."""
