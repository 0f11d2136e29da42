"""The services of the platform: a catalog, pure builders, and the component that delivers them."""
