"""The page to play with: what it works out (``enlarging``, ``people``, ``samples``) and how it looks (``page``)."""
