"""The survey of real models: every one of some libraries read, its figures, and what judges say of them.

``python -m tests.survey run`` reads and judges (hours; it resumes), ``pack`` writes the dataset that ships with the
package. The tables of docs/models.md are made from that: ``python docs/refresh.py docs/models.md``.
"""
