"""The MCP server: five tools and two resources, the same answers as the command line's."""
