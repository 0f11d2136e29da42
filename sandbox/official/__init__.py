"""Parts of the bundle from their official places: charts from repositories, images from registries."""
