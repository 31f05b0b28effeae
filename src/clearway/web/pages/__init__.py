"""One module for each place that a person goes to."""
