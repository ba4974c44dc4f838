"""Training of the networks that vidstyle ships."""
