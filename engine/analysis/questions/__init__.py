"""Questions that people ask of one network or of two, each with one answer: where, context, compare."""
