"""The lazy tensor: storage cells, recording, views and in-place writes, autograd bookkeeping."""
