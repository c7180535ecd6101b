"""How good the fills are."""
