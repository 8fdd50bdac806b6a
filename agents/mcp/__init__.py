"""The MCP server: seven tools and two resources, the same answers as the command line's."""
