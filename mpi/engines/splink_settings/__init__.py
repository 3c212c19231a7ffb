"""Linkage models to and from the settings JSON of Splink 5. Splink itself is not needed for either."""
