"""Formulas judged on spaces with branches: along the nodes of every stage, over merged states."""
