"""Datasets as pictures. matplotlib is imported in the functions."""
