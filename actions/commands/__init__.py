"""Commands about trainings: what the program offers besides those of the engine."""
