"""The effective field of a model with its weights: measured on images, predicted from the weights, and its figures."""
