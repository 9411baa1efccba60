"""Faces drawn from numbers: pictures with exact landmarks, parsing maps and identities, without any data."""
