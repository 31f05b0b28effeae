"""Python packages for builds: from what is installed, or fetched by pip; kept by digest."""

from .packages import PythonPackages

__all__ = ["PythonPackages"]
