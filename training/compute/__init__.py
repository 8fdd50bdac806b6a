"""Where trainings run: here, on Modal, or on the rehearsal plane."""
