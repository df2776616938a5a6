"""Find faults of a network: the question, its rules, and how findings are written."""
