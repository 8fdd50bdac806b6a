"""TinyDiT and a breed classifier: data, model, loop, checkpoints, compute.

Imports nothing of ours but itself, so that a container holds all of it or none.
"""
