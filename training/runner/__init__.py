"""Carries one training wherever it runs: the standard library alone, so that no pins meet.

::

    lock -> order -> staged source -> seal what a kill left -> newest valid checkpoint
      -> the script, below a guard -> rows, checkpoints, account, deadline, signals
      -> its end: a name, gates, verdict.json

Killed at any instant, the next runner finds everything on the volume.
"""
