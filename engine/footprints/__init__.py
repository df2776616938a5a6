"""The exact side: sets of input pixels of entries, worked out forwards (all entries) or backwards (one entry)."""
