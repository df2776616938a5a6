"""Read exported programs."""
