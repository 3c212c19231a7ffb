"""The HTTP door: pages for people, JSON for machines, sign-in."""
