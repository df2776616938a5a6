"""The explorer: what is asked of one network or of a space, put together and handed to the page."""
