"""The formulas against the exact figures, over networks, spaces and random chains."""
