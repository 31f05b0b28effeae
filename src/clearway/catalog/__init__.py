"""Teams, services, environments, routes."""
