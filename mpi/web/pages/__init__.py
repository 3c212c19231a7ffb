"""The pages for people, one module for each part of the menu."""
