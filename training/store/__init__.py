"""The volume and what lies on it: directories, checkpoints, retention."""
