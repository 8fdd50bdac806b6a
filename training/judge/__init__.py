"""What a finished training is worth: gates, quality, samples, what is exported."""
