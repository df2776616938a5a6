"""The explorer: one HTML file without requests, which draws a network or a space."""
