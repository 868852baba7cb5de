"""`torch.fx.experimental`: what libraries ask of tracers; see `proxy_tensor`."""
