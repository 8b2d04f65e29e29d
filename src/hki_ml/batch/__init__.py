"""Answers for a whole file: read, joined with what is known, scored in chunks, resumable after any end."""
