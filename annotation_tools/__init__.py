"""Browser tools with which people label footage."""
