"""Training of networks that paint: ``recurrent`` trains those of trained styles."""
