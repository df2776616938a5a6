"""Datasets as tables and pictures. Nothing is computed here."""
