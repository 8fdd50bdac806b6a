"""A job for a script that is there: read without being run, declared, written beside it."""
