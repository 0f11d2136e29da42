"""What a stack's configuration says, as typed and frozen values."""
