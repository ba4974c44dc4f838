"""The only place that knows ffmpeg: probe, scan, read, write."""
