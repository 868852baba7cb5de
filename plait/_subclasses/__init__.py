"""`torch._subclasses`: there are no fake tensors; see `fake_tensor`."""
