"""Datasets as tables of a terminal, one file for each kind."""
