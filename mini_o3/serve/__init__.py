"""The web app: live search, recorded episodes and trainings in a browser, and the same as an interface for
programs (`/v1`, MCP)."""
