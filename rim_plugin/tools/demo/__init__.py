"""The page to play with: what it works out (``enlarging``, ``finding``, ``samples``) and how it looks (``page``)."""
