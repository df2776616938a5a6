"""The approximations: published formulas, closed forms, and the two along a whole network or over arrays."""
