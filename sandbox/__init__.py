"""A loopback Discord and a loopback GenArt API: the demo, and what the end-to-end tests drive."""
