"""What a declared training becomes: facts, sensors, actions and goals, one file per kind."""
