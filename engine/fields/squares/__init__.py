"""Expected squared gradients, from the weights alone: operators recorded in one forward, squared on the way back."""
