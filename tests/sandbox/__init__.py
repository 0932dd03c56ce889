"""The sandbox keeps the rules of what it stands in for."""
