"""What failures and outcomes taught, and their file."""
