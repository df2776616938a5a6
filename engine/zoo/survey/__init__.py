"""Figures of the models of libraries, as a survey of them found."""
