"""Cells of two inputs, and cells of more choices than a table holds: compiled to their distinct effects."""
