"""Networks that a function makes: the figures of all of them, worked out together, on all cores."""
