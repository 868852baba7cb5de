"""Plait as a backend of Keras 3: `KERAS_BACKEND=plait python script.py`.

The package has the layout that Keras expects of a backend that lives outside of it
(`keras_<name>.src`). `keras_plait.hook` makes released versions of Keras, which know a fixed set of
names, accept this one.
"""
