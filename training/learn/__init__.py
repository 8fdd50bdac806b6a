"""What is learned from: models, loss, optimizer, averages. All of it is part of the key."""
