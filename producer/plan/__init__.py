"""A forecast of the credits that the watch list needs of each provider's plan."""
