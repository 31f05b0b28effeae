"""Content-addressed artifacts and the evidence about them."""
