"""One module for each flow; the transaction and the audit trail live here."""
