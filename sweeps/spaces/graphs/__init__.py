"""How the layers of a stage hang together: branches, cells, and what they are wired to."""
