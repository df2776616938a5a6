"""Models by the names that libraries give them."""
