"""A Modal control plane on 127.0.0.1, for the real client and the real container entrypoint.

It serves a rehearsal (``compute=loopback``) and the tests; what it stands for and how well that is
known is in README.md. It is never shipped into an image, and nothing it proves is a statement
about Modal's cloud.
"""
