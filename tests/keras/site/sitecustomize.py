"""What the wheel's `.pth` file does, for a source tree on the path."""

import keras_plait.hook

keras_plait.hook.install_if_asked()
