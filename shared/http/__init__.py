"""Parts of HTTP clients: a deadline for a whole call, and errors without the URL, which may hold a secret."""
