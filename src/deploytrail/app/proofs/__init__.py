"""What a verifier reads, and whose signatures it believes."""
