"""Where the parts meet: services built out of a configuration and a database."""
