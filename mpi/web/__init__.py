"""The HTTP door: pages for people, REST for machines, sign-in."""
