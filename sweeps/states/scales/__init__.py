"""Spaces with skips across scales: what an entry reads of several maps, and states of several phases."""
