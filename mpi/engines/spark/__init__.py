"""Batch linkage on Apache Spark: SQL generated from the model, the one Python function where SQL has no word for it."""
