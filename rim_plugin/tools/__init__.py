"""What uses a trained RIM: weights files, Python API, commands, gallery, export."""
