"""What the engine offers: one public method, one transaction."""
