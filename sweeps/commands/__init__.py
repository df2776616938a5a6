"""The verbs of the command line, one module a room. Each lists its functions in VERBS; sweeps/cli.py joins them.

A new verb is one function, its name in the VERBS of its module, and a new module's VERBS in sweeps/cli.py.
"""
