"""Studies of persons: what sites tell of them, and where a person's earlier ones are."""
