"""The cases: each is a question that a user asks, and other ways to the answer."""
