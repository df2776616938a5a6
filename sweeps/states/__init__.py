"""The graph of states: spaces compiled, merged, and written out as figures of every architecture."""
