"""Photos in, one uint8 shard with a manifest out."""
