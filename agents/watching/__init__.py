"""Events as they arrive: where they come from, and what they prompt."""
