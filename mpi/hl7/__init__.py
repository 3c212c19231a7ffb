"""The MLLP door: listener, messages, acknowledgements."""
