"""What clients leave of a secret in their memory, seen from outside."""
