"""Device choice and caches that outlive a request."""
