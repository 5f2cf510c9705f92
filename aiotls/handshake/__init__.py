"""The handshakes, each a coroutine that reads like its RFC's flight diagram."""
