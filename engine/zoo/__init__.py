"""Networks by name. One file for each family."""
