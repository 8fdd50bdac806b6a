"""The search for the cheapest plan."""
