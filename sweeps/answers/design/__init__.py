"""The architectures whose chosen maps fit a histogram of object sizes best."""
