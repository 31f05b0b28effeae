"""Pure evaluation of gates."""
