"""Pictures for people: flow colours, mask overlays, contact sheets and statistics. NumPy in, NumPy out.

Pictures are uint8 RGB (H, W, 3). Nothing here touches the disk or needs PyTorch: ``encode_png`` gives the
bytes, the caller writes them. Import what you need from its module; this file imports nothing.
"""
