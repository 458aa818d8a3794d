"""What the decoders of several techniques share: cutting a stream into frames, JSON, HTTP/1.1."""
