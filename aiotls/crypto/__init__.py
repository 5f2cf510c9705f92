"""The algorithms of TLS over the primitives of `cryptography`: values in, values out, no wire."""
