"""Generated text: Markdown that is inert, regions with their digest, templates."""
